"""The commands of config-api, as far as they need no server."""

from __future__ import annotations

import socket

import pytest
from typer.testing import CliRunner

from config_api.cli import app


def test_a_migration_without_a_database_fails_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:  # bound, so that nobody else listens there
        nobody.bind(("127.0.0.1", 0))
        address = f"postgresql://owner:secret@127.0.0.1:{nobody.getsockname()[1]}/contactsync"
        monkeypatch.setenv("CONTACTSYNC_DATABASE_ADMIN_URL", address)
        done = CliRunner().invoke(app, ["migrate"])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("config-api: CONTACTSYNC_DATABASE_ADMIN_URL: no database answers there: ")
    assert "secret" not in line
