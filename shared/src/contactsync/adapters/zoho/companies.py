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


def distinct(names: Iterable[str]) -> Sequence[str]:
    """The first spelling of each name, with single spaces."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(folded(name), " ".join(name.split()))
    first.pop("", None)
    return list(first.values())


def by_asked_name(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Account ids by the asked name, where `known` has it in any spelling; its first entry wins."""
    by_fold: dict[str, str] = {}
    for name, account_id in known.items():
        by_fold.setdefault(folded(name), account_id)
    by_fold.pop("", None)
    return {name: by_fold[folded(name)] for name in names if folded(name) in by_fold}


def oldest(accounts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Ids by name; of several accounts of one name in any spelling the oldest stands first: it has the least id."""
    in_order = sorted(accounts, key=lambda one: (len(one["id"]), one["id"]))
    ids: dict[str, str] = {}
    for account in in_order:
        ids.setdefault(str(account.get("Account_Name") or ""), account["id"])
    return ids
