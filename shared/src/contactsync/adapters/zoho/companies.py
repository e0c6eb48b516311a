"""Companies: accounts of the CRM by exact name, case and space aside. No I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contactsync.adapters.zoho import coql


def folded(name: str) -> str:
    """The form in which two company names are compared."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def questions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names to ask for, as typed and with single spaces, 50 at a time."""
    wanted = [name for name in dict.fromkeys(_spellings(names)) if coql.askable(name)]
    for start in range(0, len(wanted), coql.MAX_VALUES):
        yield wanted[start : start + coql.MAX_VALUES]


def _spellings(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield " ".join(name.split())
        if name != name.strip() or "  " in name.strip():
            yield name.strip()


def found(names: Iterable[str], accounts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Account ids by the asked name; of several accounts of one name the oldest, which has the least id."""
    by_name: dict[str, str] = {}
    for account in sorted(accounts, key=lambda one: (len(str(one["id"])), str(one["id"]))):
        by_name.setdefault(folded(str(account.get("Account_Name") or "")), str(account["id"]))
    by_name.pop("", None)
    return {name: by_name[folded(name)] for name in names if folded(name) in by_name}
