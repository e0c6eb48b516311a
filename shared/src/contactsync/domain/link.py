"""The pairing of a CRM record and a Google person, with what each side showed at the last agreement."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from contactsync.domain.contact import Side, Values
from contactsync.domain.digests import EMPTY_DIGESTS, DigestSet
from contactsync.domain.ids import EffectId, LinkId, RowKey, RunId
from contactsync.domain.keys import KeyKind, MatchKey

__all__ = ["Hold", "KeyKind", "Link", "LinkSide", "MatchKey", "PairState", "Presence"]


class PairState(StrEnum):
    """The life of a pair (design: `docs/decisions.md`)."""

    SINGLE = "single"
    LINKED = "linked"
    DORMANT = "dormant"
    RELEASED = "released"
    GONE = "gone"


class Presence(StrEnum):
    """What is known of one side's contact."""

    UNKNOWN = "unknown"
    """This side never had a contact in this pair."""
    PRESENT = "present"
    DELETED = "deleted"
    """A deletion record said so."""
    ABSENT = "absent"
    """A complete listing did not show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSide:
    """One side of a pair. Digests and keys are kept; `values`, `name` and `emails` only for the run that read them."""

    remote_id: str | None = None
    presence: Presence = Presence.UNKNOWN
    in_scope: bool = False
    """In the group; in the view, or made by the sync and not yet seen in the view."""
    seen_in_scope: bool = False
    """A listing has shown it in scope (a record made by the sync leaves scope only after that)."""
    revision: str = ""
    """The newest version known, seen or written."""
    written_revision: str = ""
    """The version that our last confirmed write produced; a listing that shows it is an echo."""
    written_at: datetime | None = None
    modified_at: datetime | None = None
    base: DigestSet = EMPTY_DIGESTS
    seen: DigestSet = EMPTY_DIGESTS
    confirmed: bool = True
    """False while the base is what was sent (Zoho answers with id and times alone)."""
    sent: frozenset[bytes] = frozenset()
    """Hashes of the rows that were written since the base was last confirmed; none while it is not: all of them."""
    keys: tuple[MatchKey, ...] = ()
    listing: int = 0
    """Number of the last full listing of this configuration and side that showed it."""
    observed_at: datetime | None = None
    """When the reading began that showed `revision`."""
    read_only: str | None = None
    values: Values | None = None
    name: str = ""
    emails: tuple[str, ...] = ()
    """All e-mail addresses as typed; like `values` and `name` sealed, and erased at the end of the run."""

    @property
    def has_email(self) -> bool:
        """Whether it has an address by which it can be found."""
        return any(key.kind is not KeyKind.NAME_PHONE for key in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a pair is not carried out until its reason changes or a person answers."""

    reason: str
    since: datetime
    signature: bytes = b""
    """Digest of what was refused (both sides' seen digests and the configuration's version)."""
    tries: int = 0
    retry_at: datetime | None = None
    """None: only an answer or a change releases it."""
    provider_message: str = ""
    failed: bool = False
    """True when the provider refused it (outcome `failed`), false when a rule or question holds it."""
    rivals: tuple[str, ...] = ()
    """Remote ids of the contacts that it may be one with, the likeliest first: what a person is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A pair as stored: a value, changed only by `dataclasses.replace`."""

    link_id: LinkId
    state: PairState
    crm: LinkSide = LinkSide()
    google: LinkSide = LinkSide()
    pending_since: datetime | None = None
    """Start of the run that first saw something to do; None when there is nothing."""
    pending_order: datetime | None = None
    """The source's modification time as it was then."""
    hold: Hold | None = None
    excluded: bool = False
    diverged: frozenset[RowKey] = frozenset()
    """Fields that were left different on purpose."""
    by_hand: frozenset[RowKey] = frozenset()
    """Those of them that somebody edited where they are carried to: an edit that beats a delete."""
    not_kept: frozenset[RowKey] = frozenset()
    """Fields that the CRM shows otherwise than they were written, of which no report has told yet."""
    keep_apart: frozenset[str] = frozenset()
    """Remote ids of contacts, of either side, that a person declared to be somebody else."""
    same_as: str | None = None
    """Remote id of the contact that a person declared to be this one."""
    restoring: EffectId | None = None
    """The write whose replaced values somebody asked to have back."""
    reason: str = ""
    """Why the pair is in its state (`in_crm_outside_view`, `kept_after_deletion`, …)."""
    taken_by: RunId | None = None
    """The last run that settled it; a run never takes a pair twice."""
    foreign: bool = False
    """Whether another configuration keeps it (`domain.sharing`): that one alone writes its fields and deletes."""

    def side(self, side: Side) -> LinkSide:
        """The given side of the pair."""
        return self.crm if side is Side.CRM else self.google

    def with_side(self, side: Side, value: LinkSide) -> Link:
        """The pair with one side as given."""
        return replace(self, crm=value) if side is Side.CRM else replace(self, google=value)

    def put_down(self) -> Link:
        """The pair with nothing left to do."""
        return replace(self, pending_since=None, pending_order=None)

    def settled(self, state: PairState, reason: str = "") -> Link:
        """The pair in a state that nothing is to be done about."""
        return replace(self.put_down(), state=state, reason=reason, hold=None)
