"""`python -m config_api`."""

from config_api.cli import app

app()
