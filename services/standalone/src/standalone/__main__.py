"""`python -m standalone`."""

from standalone.cli import app

app(prog_name="standalone")
