"""The folder of a start: afresh or as it was left, and one process at a time."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOCK: Final = "lock"
_KEYS: Final = "keys"
_KEY_BYTES: Final = 32


class FolderError(RuntimeError):
    """The folder cannot be used; the message is one line that says why."""


@contextmanager
def prepared(folder: Path, *, keep: bool) -> Iterator[None]:
    """The folder is ours until the end of the block; without `keep` nothing of an earlier start is in it.

    Raises FolderError when another process has it, or when files of another user are in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("w") as lock:
            _take(lock.fileno(), folder)
            if not keep:
                _empty(folder)
            yield
    except PermissionError as error:
        raise FolderError(f"{error.filename} belongs to another user: delete {folder} as that user") from error


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FolderError(f"another start is running on {folder}: stop it first") from error


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()


def encryption_keys(folder: Path) -> str:
    """The key-encryption key of this folder's data, made at its first start."""
    file = folder / _KEYS
    if not file.exists():
        key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(f"v1:{key}")
    return file.read_text()
