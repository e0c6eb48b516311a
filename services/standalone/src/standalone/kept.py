"""What a start with simulators leaves for the next one, which goes on with it: `KEEP=1`.

Data, keys and the state of the simulators lie beside it, each in its own form. The simulators' ports are kept too:
their addresses are in the database.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import orjson

from standalone.folder import FolderError

_FILE: Final = "kept.json"


class KeptStateError(FolderError):
    """The last state cannot be gone on with; the message is one line that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: begin afresh without KEEP=1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where the story stands, from the end of its first run on."""

    zoho_port: int
    google_port: int
    zgid: str
    view_name: str
    sub: str
    contacts: int
    config_id: str
    first_run_id: str
    rounds: int = 1
    """How often both sides have been edited."""
    made_by: str = version("contactsync-standalone")

    def write(self, folder: Path) -> None:
        """Write it into the folder; a reader never sees half of it."""
        draft = folder / f"{_FILE}.new"
        draft.write_bytes(orjson.dumps(asdict(self)))
        draft.replace(folder / _FILE)

    def next_round(self) -> Kept:
        """The same with one more round of edits."""
        return replace(self, rounds=self.rounds + 1)


def is_kept(folder: Path) -> bool:
    """Whether an earlier start left something to go on with."""
    return (folder / _FILE).exists()


def read_kept(folder: Path) -> Kept:
    """What the last start left. Raises KeptStateError when it is broken or another version's."""
    file = folder / _FILE
    try:
        kept = Kept(**orjson.loads(file.read_bytes()))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise KeptStateError(f"{file} cannot be read") from error
    if kept.made_by != version("contactsync-standalone"):
        raise KeptStateError(f"{file} was written by version {kept.made_by}")
    return kept
