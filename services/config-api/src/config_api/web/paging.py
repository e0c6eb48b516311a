"""Cursor pages: keyset cursors that say where the next page begins, opaque to callers."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Query

from config_api.web.fields import FieldError
from config_api.web.problems import ProblemError

Limit = Annotated[int, Query(ge=1, le=100, description="Items on a page")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before")]


def encode_cursor(*parts: str) -> str:
    """A cursor made of these parts."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(cursor: str | None, parts: int) -> tuple[str, ...] | None:
    """The parts of a cursor of ours; None for the first page. Raises a problem for anything else."""
    if cursor is None:
        return None
    try:
        decoded = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        decoded = None
    if not isinstance(decoded, list) or len(decoded) != parts or not all(isinstance(part, str) for part in decoded):
        raise invalid_cursor()
    return tuple(decoded)


def invalid_cursor() -> ProblemError:
    """The problem of a cursor that this list has not given."""
    return ProblemError("invalid_request", errors=[FieldError("cursor", "cursor_invalid")])


def id_place(cursor: str | None) -> UUID | None:
    """Where a page begins in a list that is ordered by id."""
    parts = decode_cursor(cursor, 1)
    return None if parts is None else _id(parts[0])


def dated_place(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Where a page begins in a list that is ordered by date and id."""
    parts = decode_cursor(cursor, 2)
    if parts is None:
        return None
    try:
        date = datetime.fromisoformat(parts[0])
    except ValueError as error:
        raise invalid_cursor() from error
    if date.tzinfo is None:
        raise invalid_cursor()
    try:
        return date.astimezone(UTC), _id(parts[1])
    except OverflowError as error:  # the first or the last day of all, somewhere else
        raise invalid_cursor() from error


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise invalid_cursor() from error
