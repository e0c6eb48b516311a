"""Pairs, sides and policies for the tests of the domain, written by CRM field names."""

# Facts are fields of the dataclass that is made, which checks their names.
# ruff: noqa: ANN401

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from contactsync.domain.absorb import AbsorbContext
from contactsync.domain.contact import Identity, Observation, Side
from contactsync.domain.digests import EMPTY_DIGESTS, Digester, DigestSet
from contactsync.domain.effect import EffectKind, Intent
from contactsync.domain.ids import LinkId, RowKey
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.domain.mapping import Mapping, default_mapping, mappable
from contactsync.domain.planning import Decision, decide
from contactsync.domain.policy import Direction, Policy
from contactsync.domain.settling import Confirmation, confirm

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
WAIT = timedelta(minutes=15)
MAPPING = default_mapping()
WIDE_MAPPING = Mapping([*default_mapping().rows, *mappable()])
DIGESTER = Digester(bytes(range(32)), region="US")
TWO_WAY = Policy(direction=Direction.TWO_WAY, mapping=MAPPING)

_numbers = count(1)

Fields = MappingABC[str, str]
"""Values by CRM field name."""


def link_id() -> LinkId:
    return LinkId(UUID(int=next(_numbers)))


def keyed(fields: Fields, mapping: Mapping = MAPPING) -> dict[RowKey, str]:
    """The same values by row key."""
    return {_row(name, mapping): text for name, text in fields.items()}


def _row(crm_field: str, mapping: Mapping) -> RowKey:
    row = mapping.by_crm(crm_field)
    assert row is not None, crm_field
    return row.key


def named(changes: MappingABC[RowKey, str | None]) -> dict[str, str | None]:
    """Changes by CRM field name."""
    return {key.partition("=")[0]: text for key, text in changes.items()}


def digests(fields: Fields, mapping: Mapping = MAPPING) -> DigestSet:
    return DIGESTER.digest_set(mapping, keyed(fields, mapping))


def shown(
    fields: Fields, *, base: Fields | None = None, mapping: Mapping = MAPPING, remote_id: str = "1", **facts: Any
) -> LinkSide:
    """A side that shows these fields; `base` None: nothing was agreed with it yet."""
    values = keyed(fields, mapping)
    name = " ".join(filter(None, (fields.get("First_Name"), fields.get("Last_Name"))))
    identity = Identity(name=name, strong_emails=tuple(filter(None, (fields.get("Email"),))))
    side = LinkSide(
        remote_id=remote_id,
        presence=Presence.PRESENT,
        in_scope=True,
        seen_in_scope=True,
        revision="r1",
        modified_at=NOW - timedelta(hours=1),
        base=EMPTY_DIGESTS if base is None else digests(base, mapping),
        seen=digests(fields, mapping),
        keys=DIGESTER.match_keys(identity),
        values=values,
        name=name,
        emails=identity.strong_emails,
    )
    return replace(side, **facts)


def deleted(base: Fields | None = None, **facts: Any) -> LinkSide:
    """A side whose contact was deleted."""
    return replace(shown(base or {}, base=base), presence=Presence.DELETED, in_scope=False, values=None, **facts)


def pair(crm: LinkSide | None = None, google: LinkSide | None = None, **facts: Any) -> Link:
    """A pending pair; linked when both sides are given."""
    both = crm is not None and google is not None
    link = Link(
        link_id=link_id(),
        state=PairState.LINKED if both else PairState.SINGLE,
        crm=crm or LinkSide(),
        google=google or LinkSide(),
        pending_since=NOW,
        pending_order=NOW,
    )
    return replace(link, **facts)


def agreed(fields: Fields, *, crm: Fields | None = None, google: Fields | None = None) -> Link:
    """A pair that once agreed on `fields` and now shows `crm` and `google` (None: still the same)."""
    return pair(
        shown(fields if crm is None else crm, base=fields),
        shown(fields if google is None else google, base=fields, remote_id="people/c1"),
    )


def decided(link: Link, policy: Policy = TWO_WAY, *, first: bool = False, now: datetime = NOW) -> Decision:
    return decide(link, policy, DIGESTER, now=now, first=first)


def intents(decision: Decision) -> dict[tuple[Side, EffectKind], dict[str, str | None]]:
    """What is written, by side and kind, with CRM field names."""
    return {(intent.side, intent.kind): named(intent.changes) for intent in decision.intents}


def context(*, mapping: Mapping = MAPPING, **facts: Any) -> AbsorbContext:
    """A change listing that began now."""
    made = AbsorbContext(
        digester=DIGESTER,
        mapping=mapping,
        run_started=NOW,
        listing_started=NOW,
        observed_at=NOW,
        listing_number=7,
        full=False,
        visibility_wait=WAIT,
        new_link_id=link_id,
    )
    return replace(made, **facts)


def observed(fields: Fields, *, mapping: Mapping = MAPPING, **facts: Any) -> Observation:
    """A contact as a listing shows it, in scope."""
    made = Observation(
        remote_id="1",
        revision="r2",
        modified_at=NOW - timedelta(minutes=1),
        values=keyed(fields, mapping),
        identity=Identity(
            name=" ".join(filter(None, (fields.get("First_Name"), fields.get("Last_Name")))),
            strong_emails=tuple(filter(None, (fields.get("Email"),))),
        ),
        in_scope=True,
    )
    return replace(made, **facts)


def carry_out(decision: Decision, mapping: Mapping = MAPPING, *, now: datetime = NOW) -> Link:
    """The pair after every intent was confirmed by a provider that stores what it is sent.

    Google answers with the person; the CRM with id and times alone.
    """
    link = decision.link
    for number, intent in enumerate(decision.intents):
        link = _answered(link, intent, mapping, now, f"w{number}")
    return link


def _answered(link: Link, intent: Intent, mapping: Mapping, now: datetime, revision: str) -> Link:
    side = link.side(intent.side)
    values = dict(side.values or {}) if intent.kind is EffectKind.UPDATE else {}
    for key, text in intent.changes.items():
        values[key] = text or ""
    remote_id = side.remote_id if intent.kind is not EffectKind.CREATE else f"new-{intent.side}"
    assert remote_id is not None
    answer = None
    if intent.side is Side.GOOGLE and intent.kind in {EffectKind.CREATE, EffectKind.UPDATE}:
        answer = Observation(
            remote_id=remote_id,
            revision=revision,
            modified_at=now,
            values={key: text for key, text in values.items() if text},
            in_scope=True,
        )
    after = confirm(
        link,
        intent,
        Confirmation(remote_id=remote_id, revision=revision, modified_at=now, observation=answer),
        digester=DIGESTER,
        mapping=mapping,
        now=now,
    )
    if intent.kind in {EffectKind.CREATE, EffectKind.UPDATE}:
        written = replace(after.side(intent.side), values={key: text for key, text in values.items() if text})
        after = replace(after, crm=written) if intent.side is Side.CRM else replace(after, google=written)
    return after


def shows(link: Link, side: Side, mapping: Mapping = MAPPING) -> dict[str, str]:
    """What a side shows, by CRM field name, empty fields left out."""
    values = link.side(side).values or {}
    return {row.crm_field: text for row in mapping.rows if (text := values.get(row.key))}
