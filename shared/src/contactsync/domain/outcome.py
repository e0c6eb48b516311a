"""What became of a contact in a run: each has exactly one outcome, the first that applies."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Outcomes in the order of precedence."""

    FAILED = "failed"
    HELD = "held"
    WAITING = "waiting"
    SKIPPED = "skipped"
    DELETED = "deleted"
    CREATED = "created"
    UPDATED = "updated"
    LINKED = "linked"
    UNCHANGED = "unchanged"
