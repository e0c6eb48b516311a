"""What documents repeat from the code is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contactsync.assembly.settings import PREFIX
from sync_worker.settings import SyncWorkerSettings
from tools.reference import EXAMPLE, OPERATIONS, settings, written


@pytest.mark.parametrize("path", [OPERATIONS, EXAMPLE], ids=lambda path: path.name)
def test_the_committed_file_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written()[path], "run make docs"


def test_every_setting_says_what_it_means() -> None:
    assert [name for _, name, field in settings() if not field.description] == []


def test_the_example_is_accepted_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the required ones filled in; what is left empty counts as not given."""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        name, given, value = line.partition("=")
        if given and not line.startswith("#"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", "postgresql://app@localhost/contactsync")
    monkeypatch.setenv(f"{PREFIX}KEYS", "v1:a2V5")
    read = SyncWorkerSettings.read()
    defaults = SyncWorkerSettings.model_validate({"database_url": read.database_url, "keys": read.keys})
    assert read == defaults
