"""The database server that benchmarks run on, and the machine that they run on."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from standalone.postgres import private_postgres
from tests.support.postgres import Database


@asynccontextmanager
async def database_server() -> AsyncIterator[Database]:
    """The server that the environment names, else a private one whose data survives a crash of the machine."""
    given = os.environ.get("CONTACTSYNC_TEST_DATABASE_URL"), os.environ.get("CONTACTSYNC_TEST_DATABASE_ADMIN_URL")
    if given[0] and given[1]:
        yield Database(given[0], given[1])
        return
    with tempfile.TemporaryDirectory(prefix="contactsync-bench-") as folder:
        async with private_postgres(Path(folder) / "postgres", durable=True) as server:
            yield Database(server.url, server.admin_url)


def machine() -> dict[str, Any]:
    """What figures depend on."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607  git of the path
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "commit": git.stdout.strip() or None,
    }
