"""Who is who: choosing among contacts that share a match key with another one.

Two people with one address (a couple, an office) must never become one; a person must not be made a second time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from unicodedata import combining, normalize

from contactsync.domain.contact import Side
from contactsync.domain.keys import KeyKind
from contactsync.domain.link import Link, PairState
from contactsync.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact that shares a match key with the one sought."""

    remote_id: str
    name: str
    in_scope: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoMatch:
    """Nobody there: the contact may be created."""


@dataclass(frozen=True, slots=True)
class Same:
    """The person sought; the others share the key and are reported."""

    remote_id: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Doubt:
    """The best candidate has a name without a word in common: a question for a person."""

    remote_id: str
    others: tuple[str, ...] = ()


Match = NoMatch | Same | Doubt


def choose(
    subject_name: str, candidates: Iterable[Candidate], side: Side, keep_apart: Collection[str] = frozenset()
) -> Match:
    """The candidate of `side` that is the contact called `subject_name`.

    First one of the same name, then one whose name does not contradict; among equals in the CRM the oldest, on Google
    a member of the group and then the least id. `keep_apart` holds ids that a person declared to be somebody else.
    """
    free = [candidate for candidate in candidates if candidate.remote_id not in keep_apart]
    if not free:
        return NoMatch()
    ordered = sorted(free, key=lambda one: (_unlikeness(subject_name, one.name), *_rank(one, side)))
    best, others = ordered[0], tuple(one.remote_id for one in ordered[1:])
    if names_conflict(subject_name, best.name):
        return Doubt(best.remote_id, others)
    return Same(best.remote_id, others)


def _unlikeness(subject: str, name: str) -> int:
    if same_name(subject, name):
        return 0
    return 2 if names_conflict(subject, name) else 1


_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def _rank(candidate: Candidate, side: Side) -> tuple[object, ...]:
    least_id = (len(candidate.remote_id), candidate.remote_id)
    if side is Side.CRM:
        return (candidate.created_at or _LATEST, *least_id)
    return (not candidate.in_scope, *least_id)


# --- names ----------------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"\w+")
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts written without spaces between words: Thai, Lao, Khmer, Japanese, Chinese."""
_NOT_TELLING: Final = frozenset(
    {
        *("mr", "mrs", "ms", "miss", "dr", "prof", "sir", "herr", "frau", "m", "mme", "mlle", "jr", "sr"),
        *("de", "da", "di", "del", "della", "der", "den", "des", "du", "la", "le", "van", "von", "zu", "af", "av"),
        *("al", "el", "bin", "ben", "ibn", "abu", "dos", "das", "do", "y", "e", "and", "und", "et"),
    }
)
"""Titles and particles: to have one in common says nothing."""


def names_conflict(a: str, b: str) -> bool:
    """Whether both have a name and the names have no word in common; accents, case and order aside.

    Initials, titles and particles are no words here, unless there is nothing else. Scripts that are written without
    spaces share a word when one name contains the other's.
    """
    words_a, words_b = _words(a), _words(b)
    if not words_a or not words_b:
        return False
    return not (_telling(words_a) & _telling(words_b)) and not _contained(words_a, words_b)


def same_name(a: str, b: str) -> bool:
    """Whether both have a name, of the same words in any order; accents and case aside."""
    words_a, words_b = _words(a), _words(b)
    return bool(words_a) and (sorted(words_a) == sorted(words_b) or _compact(words_a) == _compact(words_b))


def peer_reason(a: str, b: str) -> Reason:
    """Why the second of two contacts of one side that share a key is held, by their names."""
    return Reason.AMBIGUOUS_MATCH if same_name(a, b) else Reason.POSSIBLE_DUPLICATE


def _words(name: str) -> list[str]:
    plain = "".join(c for c in normalize("NFKD", name).casefold() if not combining(c))
    return _WORD.findall(normalize("NFC", plain))


def _telling(words: Sequence[str]) -> frozenset[str]:
    telling = frozenset(word for word in words if word not in _NOT_TELLING and (len(word) > 1 or not word.isascii()))
    return telling or frozenset(words)


def _compact(words: Sequence[str]) -> str:
    return "".join(words)


def _contained(a: Sequence[str], b: Sequence[str]) -> bool:
    whole_a, whole_b = _compact(a), _compact(b)
    if whole_a == whole_b:
        return True
    return any(w in whole_a for w in b if _UNSPACED.search(w)) or any(w in whole_b for w in a if _UNSPACED.search(w))


# --- contacts of one side -------------------------------------------------------------------------------------------


def first_in_order(links: Iterable[Link], side: Side, shared: Collection[bytes] = frozenset()) -> Link:
    """Which of several contacts of `side` that share keys goes first: one linked or excluded, then the pending order.

    Of those that stand alone, whoever has one of the `shared` keys as his main address goes before the others: he is
    the better match. Raises ValueError when there is none.
    """
    return min(links, key=lambda link: _order(link, side, shared))


def _order(link: Link, side: Side, shared: Collection[bytes]) -> tuple[object, ...]:
    is_linked = link.state is not PairState.SINGLE and link.side(side.other).remote_id is not None
    settled = is_linked or link.excluded
    main = any(key.kind is KeyKind.STRONG_EMAIL and key.digest in shared for key in link.side(side).keys)
    return (not settled, not main, link.pending_since or _LATEST, link.pending_order or _LATEST, link.link_id)
