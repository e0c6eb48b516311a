"""One link as a row of `links` and a row of `link_scopes`, and back.

Columns are listed once, in the order of the tuples that `LinkCodec` makes and takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from contactsync.adapters.sql.codec import pack_keys, unpack_keys
from contactsync.domain.contact import Side, Values
from contactsync.domain.digests import EMPTY_DIGESTS, ROW_HASH, DigestSet
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId, RowKey, RunId
from contactsync.domain.link import Hold, Link, LinkSide, PairState, Presence
from contactsync.ports.vault import SealContext, Sealer

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""`held_until` of a hold that only an answer or a change releases."""

_SIDE_COLUMNS: Final = (
    ("id", "text"),
    ("presence", "text"),
    ("revision", "text"),
    ("written_revision", "text"),
    ("written_at", "timestamptz"),
    ("modified_at", "timestamptz"),
    ("base", "bytea"),
    ("seen", "bytea"),
    ("confirmed", "boolean"),
    ("sent", "bytea"),
    ("keys", "bytea"),
    ("observed_at", "timestamptz"),
    ("read_only", "text"),
    ("sealed", "bytea"),
)
_SCOPE_SIDE_COLUMNS: Final = (("in_scope", "boolean"), ("seen_in_scope", "boolean"), ("listing", "integer"))

LINK_COLUMNS: Final = (
    ("link_id", "uuid"),
    ("state", "text"),
    ("reason", "text"),
    *((f"crm_{name}", kind) for name, kind in _SIDE_COLUMNS),
    *((f"google_{name}", kind) for name, kind in _SIDE_COLUMNS),
    ("values_run", "uuid"),
    ("excluded", "boolean"),
    ("diverged", "text"),
    ("by_hand", "text"),
    ("not_kept", "text"),
    ("keep_apart", "text"),
    ("same_as", "text"),
    ("restoring", "uuid"),
    ("kept_by", "uuid"),
)
"""Columns of `links` beside organisation, account and time of the last change, with their types."""

SCOPE_COLUMNS: Final = (
    ("link_id", "uuid"),
    ("dormant", "boolean"),
    *((f"crm_{name}", kind) for name, kind in _SCOPE_SIDE_COLUMNS),
    *((f"google_{name}", kind) for name, kind in _SCOPE_SIDE_COLUMNS),
    ("pending_since", "timestamptz"),
    ("pending_order", "timestamptz"),
    ("taken_by", "uuid"),
    ("hold", "jsonb"),
    ("hold_message", "bytea"),
    ("held_until", "timestamptz"),
)
"""Columns of `link_scopes` beside organisation and configuration, with their types."""

SELECTED: Final = ", ".join(
    [f"l.{name}" for name, _ in LINK_COLUMNS] + [f"s.{name}" for name, _ in SCOPE_COLUMNS if name != "link_id"]
)
"""What `LinkCodec.link` takes, from `links l` and `link_scopes s`."""

STANDS_AS: Final = """
CASE WHEN l.excluded THEN 'skipped'
     WHEN (s.hold ->> 'failed')::boolean THEN 'failed'
     WHEN s.hold IS NOT NULL THEN 'held'
     WHEN s.dormant AND l.state = 'linked' THEN 'skipped'
     WHEN s.pending_since IS NOT NULL THEN 'waiting'
     WHEN l.state = 'linked' AND NOT s.dormant THEN 'unchanged'
     ELSE 'skipped' END
"""
"""What a pair counts as that a run did not touch (`LinkStore.standing`), from the same two."""

_SIDE_WIDTH: Final = len(_SIDE_COLUMNS)
_CRM: Final = slice(3, 3 + _SIDE_WIDTH)
_GOOGLE: Final = slice(3 + _SIDE_WIDTH, 3 + 2 * _SIDE_WIDTH)
_TAIL: Final = slice(3 + 2 * _SIDE_WIDTH, len(LINK_COLUMNS))
_SCOPE: Final = slice(len(LINK_COLUMNS), None)
_NO_MARKS: Final = (False, 0, 0)


class LinkCodec:
    """Turns links into rows and rows into links, under one organisation's sealer."""

    def __init__(self, organisation_id: OrganisationId, sealer: Sealer) -> None:
        self._organisation_id = organisation_id
        self._sealer = sealer

    # --- to rows ---

    def link_row(self, link: Link, run_id: RunId, keeper: ConfigId) -> tuple[object, ...]:
        """The link's row, in the order of LINK_COLUMNS; a link that stands alone is kept by nobody."""
        crm = self._side_row(link, Side.CRM)
        google = self._side_row(link, Side.GOOGLE)
        has_values = crm[-1] is not None or google[-1] is not None
        state = PairState.LINKED if link.state is PairState.DORMANT else link.state
        return (
            link.link_id,
            state.value,
            link.reason,
            *crm,
            *google,
            run_id if has_values else None,
            link.excluded,
            _rows_text(link.diverged),
            _rows_text(link.by_hand),
            _rows_text(link.not_kept),
            orjson.dumps(sorted(link.keep_apart)).decode() if link.keep_apart else None,
            link.same_as,
            link.restoring,
            None if link.state is PairState.SINGLE else keeper,
        )

    def _side_row(self, link: Link, side: Side) -> tuple[object, ...]:
        part = link.side(side)
        sealed = None
        if part.values is not None or part.name or part.emails:
            plain = orjson.dumps([part.name, None if part.values is None else dict(part.values), part.emails])
            sealed = self._sealer.seal(plain, self._context(link.link_id, f"links.{side.value}_sealed"))
        return (
            part.remote_id,
            part.presence.value,
            part.revision,
            part.written_revision,
            part.written_at,
            part.modified_at,
            part.base.pack(),
            part.seen.pack(),
            part.confirmed,
            b"".join(sorted(part.sent)),
            pack_keys(part.keys),
            part.observed_at,
            part.read_only,
            sealed,
        )

    def _hold_row(self, link: Link) -> tuple[object, ...]:
        hold = link.hold
        if hold is None:
            return (None, None, None)
        facts = {
            "reason": hold.reason,
            "since": hold.since,
            "signature": hold.signature.hex(),
            "tries": hold.tries,
            "failed": hold.failed,
            "rivals": hold.rivals,
        }
        message = None
        if hold.provider_message:
            context = self._context(link.link_id, "link_scopes.hold_message")
            message = self._sealer.seal(hold.provider_message.encode(), context)
        return (orjson.dumps(facts).decode(), message, hold.retry_at or NEVER)

    def scope_row(self, link: Link) -> tuple[object, ...]:
        """The link's marks of one configuration, in the order of SCOPE_COLUMNS."""
        crm, google = link.crm, link.google
        return (
            link.link_id,
            link.state is PairState.DORMANT,
            crm.in_scope,
            crm.seen_in_scope,
            crm.listing,
            google.in_scope,
            google.seen_in_scope,
            google.listing,
            link.pending_since,
            link.pending_order or link.pending_since,
            link.taken_by,
            *self._hold_row(link),
        )

    # --- from rows ---

    def link(self, row: Sequence[Any], *, run_id: RunId | None = None, foreign: bool = False) -> Link:
        """The link in a row of SELECTED; with `run_id` only with the values that this run stored."""
        link_id, state, reason = row[0], row[1], row[2]
        values_run, excluded, *fields, keep_apart, same_as, restoring, _ = row[_TAIL]
        diverged, by_hand, not_kept = map(_rows_from, fields)
        dormant, *scope = row[_SCOPE]
        pending_since, pending_order, taken_by, hold, message, held_until = scope[6:]
        readable = run_id is None or values_run == run_id
        crm_marks, google_marks = (_NO_MARKS, _NO_MARKS) if dormant is None else (scope[0:3], scope[3:6])
        pair_state = PairState(state)
        if dormant and pair_state is PairState.LINKED:
            pair_state = PairState.DORMANT
        return Link(
            link_id=link_id,
            state=pair_state,
            crm=self._side(link_id, "crm", row[_CRM], crm_marks, readable=readable),
            google=self._side(link_id, "google", row[_GOOGLE], google_marks, readable=readable),
            pending_since=pending_since,
            pending_order=pending_order,
            hold=None if hold is None else self._hold(link_id, hold, message, held_until),
            excluded=excluded,
            diverged=diverged,
            by_hand=by_hand,
            not_kept=not_kept,
            keep_apart=frozenset(orjson.loads(keep_apart)) if keep_apart else frozenset(),
            same_as=same_as,
            restoring=restoring,
            reason=reason,
            taken_by=taken_by,
            foreign=foreign,
        )

    def _side(
        self, link_id: LinkId, side: str, row: Sequence[Any], marks: Sequence[Any], *, readable: bool
    ) -> LinkSide:
        remote_id, presence, revision, written, written_at, modified_at, base, seen, *rest = row
        confirmed, sent, keys, observed_at, read_only, sealed = rest
        name, values, emails = self._opened(link_id, side, sealed if readable else None)
        in_scope, seen_in_scope, listing = marks
        return LinkSide(
            remote_id=remote_id,
            presence=Presence(presence),
            in_scope=bool(in_scope),
            seen_in_scope=bool(seen_in_scope),
            revision=revision,
            written_revision=written,
            written_at=written_at,
            modified_at=modified_at,
            base=_digests(base),
            seen=_digests(seen),
            confirmed=confirmed,
            sent=frozenset(sent[at : at + ROW_HASH] for at in range(0, len(sent), ROW_HASH)),
            keys=unpack_keys(keys) if keys else (),
            listing=listing,
            observed_at=observed_at,
            read_only=read_only,
            values=values,
            name=name,
            emails=tuple(emails),
        )

    def _opened(self, link_id: LinkId, side: str, sealed: bytes | None) -> tuple[str, Values | None, Sequence[str]]:
        if sealed is None:
            return "", None, ()
        name, values, emails = orjson.loads(self._sealer.open(sealed, self._context(link_id, f"links.{side}_sealed")))
        return name, values, emails

    def _hold(self, link_id: LinkId, facts: str, message: bytes | None, held_until: datetime) -> Hold:
        stored: Mapping[str, Any] = orjson.loads(facts)
        context = self._context(link_id, "link_scopes.hold_message")
        text = "" if message is None else self._sealer.open(message, context).decode()
        return Hold(
            reason=stored["reason"],
            since=datetime.fromisoformat(stored["since"]),
            signature=bytes.fromhex(stored["signature"]),
            tries=stored["tries"],
            retry_at=None if held_until >= NEVER else held_until,
            provider_message=text,
            failed=stored["failed"],
            rivals=tuple(stored["rivals"]),
        )

    def _context(self, link_id: LinkId, column: str) -> SealContext:
        return SealContext(self._organisation_id, str(link_id), column)


def _digests(packed: bytes) -> DigestSet:
    return DigestSet.unpack(packed) if len(packed) > 1 else EMPTY_DIGESTS


def _rows_text(rows: frozenset[RowKey]) -> str | None:
    return orjson.dumps(sorted(rows)).decode() if rows else None


def _rows_from(text: str | None) -> frozenset[RowKey]:
    return frozenset(map(RowKey, orjson.loads(text))) if text else frozenset()
