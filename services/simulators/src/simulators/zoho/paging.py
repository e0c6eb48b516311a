"""Page tokens: where a chain of pages stands, and for whom (Zoho CRM API v8, "Get records", `page_token`)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from simulators.zoho.errors import ZohoError, invalid_param
from simulators.zoho.records import DAY, Record

CHAIN_LIMIT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Position:
    """What a token stands for: the next offset, the record before it, and what it is bound to.

    `cut_at` is the length of a listing that a fault has shortened; it holds for the whole chain.
    """

    user_id: str
    question: Mapping[str, str]
    offset: int
    last_id: str
    expires: int
    cut_at: int | None = None


@dataclass(slots=True)
class PageTokens:
    """The tokens given out and not yet over."""

    _positions: OrderedDict[str, Position] = field(default_factory=OrderedDict)
    _number: int = 0

    def issue(self, position: Position, now: int) -> str:
        """A token of at most 96 characters for that position."""
        while self._positions and next(iter(self._positions.values())).expires + DAY < now:
            self._positions.popitem(last=False)
        self._number += 1
        token = hashlib.sha256(f"{self._number}:{position.user_id}:{position.last_id}".encode()).hexdigest()
        self._positions[token] = position
        return token

    def resume(self, token: str, user_id: str, question: Mapping[str, str], now: int) -> Position:
        """The position of the token; the vendor's error when it is unknown, over, or meant for something else."""
        position = self._positions.get(token)
        if position is None or position.user_id != user_id:
            raise invalid_param("page_token")
        if now > position.expires:
            details = {"api_name": "page_token", "json_path": "$.page_token"}
            raise ZohoError(400, "EXPIRED_VALUE", "the page_token given has expired", details)
        for name in {*position.question, *question}:
            if position.question.get(name) != question.get(name):
                message = "the request does not match the one that the page_token was made for"
                raise ZohoError(400, "TOKEN_BOUND_DATA_MISMATCH", message, {"param_name": name})
        if position.offset >= CHAIN_LIMIT:
            message = "no more records can be read by page_token"
            raise ZohoError(400, "PAGINATION_LIMIT_EXCEEDED", message, {"param_name": "page_token"})
        return position


def start_of(position: Position, rows: list[Record], *, keyset: bool, by_id: bool) -> int:
    """The index at which the chain goes on in rows that may have changed since.

    By keyset it goes on behind the last record served, wherever that stands now; where that record is gone, at
    the next lower id or, in rows of another order, at its former place. By offset it counts rows, so that rows
    move between pages as records come and go.
    """
    before = position.offset - 1
    if not keyset or (before < len(rows) and rows[before].id == position.last_id):
        return position.offset
    for index, row in enumerate(rows):
        if row.id == position.last_id:
            return index + 1
        if by_id and row.id < position.last_id:
            return index
    return len(rows) if by_id else max(0, before)
