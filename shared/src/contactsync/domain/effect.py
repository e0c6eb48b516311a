"""Kinds of change to one remote contact."""

from __future__ import annotations

from enum import StrEnum


class EffectKind(StrEnum):
    """What an effect does to one remote contact."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    JOIN_GROUP = "join_group"
