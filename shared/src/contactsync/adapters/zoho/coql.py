"""Queries in the CRM's own language, with every value quoted here and nowhere else.

Source: Zoho CRM API v8, "COQL overview" and "COQL limitations"; staff post "FAQs on COQL API" (Kaizen 171) for quoting:
a single quote inside single quotes is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contactsync.adapters.zoho.instants import header_instant

MAX_VALUES: Final = 50
"""Values of one `in` that every version takes."""
MAX_ROWS: Final = 2000
_UNASKABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CREDITS_BY_ROWS: Final = ((200, 1), (1000, 2), (2000, 3))


@dataclass(frozen=True, slots=True)
class Query:
    """One question: `select` from `source` where `condition`, ordered by id, at most `rows` rows from `offset`."""

    select: tuple[str, ...]
    source: str
    condition: str
    rows: int = 200
    offset: int = 0

    @property
    def text(self) -> str:
        """The query as the CRM takes it."""
        columns = ", ".join(self.select)
        return (
            f"select {columns} from {self.source} where {self.condition}"  # noqa: S608  values pass through `quoted`
            f" order by id asc limit {self.offset}, {self.rows}"
        )

    @property
    def credits(self) -> int:
        """What the CRM charges for it, by its limit."""
        return next(cost for most, cost in _CREDITS_BY_ROWS if self.rows <= most)


def quoted(text: str) -> str:
    """`text` as a literal that cannot end early: quotes and backslashes are doubled."""
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def askable(text: str) -> bool:
    """Whether a one-line field of the CRM can hold `text` at all, so that asking for it makes sense."""
    return bool(text.strip()) and _UNASKABLE.search(text) is None


def among(field: str, values: Sequence[str]) -> str:
    """The condition that `field` holds one of `values`, at most 50."""
    return f"{field} in ({', '.join(quoted(one) for one in values)})"


def either(first: str, second: str) -> str:
    """One condition or the other; more than two conditions nest in pairs."""
    return f"({first} or {second})"


def both(first: str, second: str) -> str:
    """One condition and the other."""
    return f"({first} and {second})"


def modified_from(since: datetime) -> str:
    """The condition that a record was modified at or after `since`, at second resolution."""
    return f"Modified_Time >= {quoted(header_instant(since))}"


def after_id(record_id: str) -> str:
    """The condition that a record's id is greater. Raises ValueError for what is no id."""
    return f"id > {quoted(checked_id(record_id))}"


def in_view(view_id: str) -> str:
    """Contacts as the list view selects them. Raises ValueError for what is no id."""
    return f"Contacts#{checked_id(view_id)}"


def checked_id(text: str) -> str:
    """`text` when it is an id of the CRM: digits alone. Raises ValueError."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("an id of the CRM is made of digits")
    return text
