"""Pairs that are kept back: what was refused and when it is tried again, what a rule or a question holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from contactsync.domain.contact import Side
from contactsync.domain.effect import Intent
from contactsync.domain.link import Hold, Link
from contactsync.domain.policy import Policy
from contactsync.domain.reasons import Reason

MAX_TRIES: Final = 7
"""A refused write is tried again once a day, this often."""
RETRY_AFTER: Final = timedelta(days=1)


def refuse(link: Link, intent: Intent, reason: str, message: str, policy: Policy, now: datetime) -> Link:
    """The pair after a provider refused one intent: kept back until what was refused changes, or a day has passed.

    After seven days of trying, only a change or an answer brings it back. Pending fields stay pending.
    """
    before = link.hold
    again = before is not None and before.failed and before.signature == signature(link, policy.version)
    tries = (before.tries if before is not None and again else 0) + 1
    return replace(
        link,
        hold=Hold(
            reason=reason,
            since=before.since if before is not None and again else now,
            signature=signature(link, policy.version),
            tries=tries,
            retry_at=now + RETRY_AFTER if tries <= MAX_TRIES else None,
            provider_message=message,
            failed=True,
        ),
        pending_since=link.pending_since or now,
        pending_order=link.pending_order or link.side(intent.side.other).modified_at or now,
    )


def hold(link: Link, reason: str, policy: Policy, now: datetime, *, retry_after: timedelta | None = None) -> Link:
    """The pair kept back by a rule or a question until an answer, a change, or (where given) some time."""
    same = link.hold is not None and link.hold.reason == reason
    return replace(
        link,
        hold=Hold(
            reason=reason,
            since=link.hold.since if link.hold is not None and same else now,
            signature=signature(link, policy.version),
            retry_at=None if retry_after is None else now + retry_after,
        ),
    )


def awaits_approval(link: Link | None) -> bool:
    """Whether the pair is held until a person says whether its contact may be deleted."""
    return link is not None and link.hold is not None and link.hold.reason == Reason.AWAITING_APPROVAL


def is_due(held: Hold, now: datetime) -> bool:
    """Whether a hold's time to try again has come."""
    return held.retry_at is not None and held.retry_at <= now


_VERSION_BYTES: Final = 4


def signature(link: Link, version: int) -> bytes:
    """What a hold was about: the configuration's version, and what both sides show and let be done with them."""
    facts = blake2b(digest_size=8)
    for side in Side:
        shown = link.side(side)
        parts = (shown.presence.value.encode(), (shown.read_only or "").encode(), shown.seen.pack())
        facts.update(b"\0".join(parts) + b"\n")
    return version.to_bytes(_VERSION_BYTES, "big") + facts.digest()


def is_about(held: Hold, link: Link, version: int | None) -> bool:
    """Whether the hold still speaks of what the pair shows; `version` None: of whatever configuration."""
    if not held.signature:
        return True
    skip = _VERSION_BYTES if version is None else 0
    return held.signature[skip:] == signature(link, version or 0)[skip:]
