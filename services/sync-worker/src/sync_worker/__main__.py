"""`python -m sync_worker`."""

from sync_worker.cli import app

app(prog_name="sync-worker")
