"""The folder of a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from contactsync.adapters.sql.sealing import KeyRing
from standalone.folder import FolderError, encryption_keys, prepared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


def test_a_start_afresh_finds_nothing_of_an_earlier_one(folder: Path) -> None:
    with prepared(folder, keep=False):
        (folder / "postgres").mkdir()
        (folder / "postgres" / "data").touch()
        (folder / "log.jsonl").touch()
    with prepared(folder, keep=False):
        assert [entry.name for entry in folder.iterdir()] == ["lock"]


def test_a_start_that_goes_on_finds_everything(folder: Path) -> None:
    with prepared(folder, keep=False):
        keys = encryption_keys(folder)
    with prepared(folder, keep=True):
        assert encryption_keys(folder) == keys


def test_two_starts_do_not_share_a_folder(folder: Path) -> None:
    with (
        prepared(folder, keep=False),
        pytest.raises(FolderError, match="another start is running"),
        prepared(folder, keep=True),
    ):
        pass


def test_the_key_is_one_that_the_services_take_and_nobody_else_can_read(folder: Path) -> None:
    with prepared(folder, keep=False):
        assert KeyRing.parse(encryption_keys(folder)).newest == "v1"
        assert (folder / "keys").stat().st_mode & 0o077 == 0
