"""What a start of the standalone process is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """From the command line and the environment."""

    folder: Path
    """Everything that a start writes is below it."""
    contacts: int = 10_000
    edits: int = 240
    """Contacts that are edited on each side before the later run."""
    shared_edits: int = 20
    """Contacts among them that are edited on both sides, in the same field."""
    accounts: bool = False
    """Real accounts take the simulators' place; their state is kept from start to start."""
    keep: bool = False
    """Simulators, database and configuration go on with what the last start left."""
    real: bool = False
    """The simulators keep the vendors' quotas and latencies."""
    serve: bool = True
    """Go on serving after the reports."""
