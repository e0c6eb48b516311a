"""What editions and profiles open."""

from __future__ import annotations

from itertools import product

import pytest

from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason
from contactsync.domain.rights import LACKING, Right, access

ALL = frozenset(Direction)
READING = frozenset({Direction.CRM_TO_GOOGLE})


@pytest.mark.parametrize("granted", list(product((False, True), repeat=len(Right))))
def test_every_profile_opens_what_its_rights_say(granted: tuple[bool, ...]) -> None:
    rights: dict[str, bool] = dict(zip(Right, granted, strict=True))
    found = access("enterprise", rights)
    can_read = rights[Right.GOOGLE_SYNC] and rights[Right.VIEW_CONTACTS]
    can_write = can_read and all(rights[name] for name in list(Right)[2:])
    assert found.allowed == (ALL if can_write else READING if can_read else frozenset())
    assert found.missing == tuple(name for name in Right if not rights[name])
    for reason in found.directions.values():
        assert not reason or reason in {LACKING[name] for name in found.missing}


@pytest.mark.parametrize("rights", [None, dict.fromkeys(Right, True), {}])
def test_the_free_edition_opens_nothing(rights: dict[str, bool] | None) -> None:
    found = access("free", rights)
    assert found.allowed == frozenset()
    assert found.reason == Reason.EDITION_FREE


def test_a_profile_that_cannot_be_read_counts_as_view_only() -> None:
    found = access("standard", None)
    assert (found.allowed, found.missing) == (READING, ())
    assert found.directions[Direction.TWO_WAY] == Reason.PROFILE_UNREADABLE
