"""The two address books, as the engine sees them. One adapter instance serves one run of one configuration.

Common duties of every method:

- Before each HTTP request the adapter must `await gate.admit(call)`, so that lease, quota and counters are
  looked after in one place; it never retries a request without admitting it again.
- Errors are those of `contactsync.errors`; nothing else leaves an adapter. A read that got no answer raises
  `ProviderUnavailableError`; a create that got no clear answer raises `OutcomeUnknownError`; updates and deletes
  that got no clear answer raise `OutcomeUnknownError` too (repeating them is safe).
- An answer that is not understood is `ProviderContractError`, never an empty page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from contactsync.domain.contact import Changes, Observation, Values
from contactsync.domain.ids import GroupId, LinkId, PersonId, RecordId, ViewId
from contactsync.errors import ContactRefusedError


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request about to be made.

    `units` are quota units by bucket (Google: `read`, `write`, `delete`, `daily`; Zoho: `credits`).
    """

    provider: str
    operation: str
    units: Mapping[str, int] = field(default_factory=dict)
    mutates: bool = False
    control: bool = False
    """Control calls (rights, edition, metadata, token refresh) are counted apart from data calls."""


class CallGate(Protocol):
    """Asked before every request to a provider."""

    async def admit(self, call: Call) -> None:
        """Return when the request may be made now.

        Raises LeaseLostError when the lease has less life left than a call may take, RateLimitedError when the
        quota would be exceeded (nobody sleeps on a quota inside a slice).
        """
        ...


# --- writes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A contact to be made from `values`; `link_id` becomes Google's marker."""

    link_id: LinkId
    values: Values


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """New values for fields of one CRM record."""

    link_id: LinkId
    record_id: RecordId
    changes: Changes


@dataclass(frozen=True, slots=True)
class PersonSnapshot:
    """A person as just read, whole: the start of a Google update. `raw` is the People API's JSON object."""

    observation: Observation
    raw: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PersonUpdate:
    """New values for mapped fields of one person; everything else of `snapshot` is sent back as read."""

    link_id: LinkId
    snapshot: PersonSnapshot
    changes: Changes


@dataclass(frozen=True, slots=True)
class Written:
    """A write that the provider confirmed, or that was not `sent`, as the contact shows or cannot hold all of it.

    `observation` is what the answer shows of the contact (Google); None where the answer has id and times alone (Zoho).
    `left_out` names fields that the other side could not hold, with the reason code.
    """

    link_id: LinkId
    remote_id: str
    revision: str
    modified_at: datetime
    observation: Observation | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """A write of one contact that the provider (or the codec) refused; it was not applied."""

    link_id: LinkId
    error: ContactRefusedError
    gone: bool = False
    """The contact does not exist any more."""
    stale: bool = False
    """The contact changed since it was read: read it again and decide again."""
    duplicate_of: str | None = None
    """Zoho DUPLICATE_DATA: the record that already has the unique value."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Of an update that was not sent, as the other side can hold none of it: its fields, each with the reason."""


WriteOutcome = Written | Refused


# --- CRM ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of CRM records. `server_time` is the provider's own clock when it answered (HTTP `Date`)."""

    records: Sequence[Observation]
    next_page: str | None
    server_time: datetime


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion record of the CRM."""

    record_id: RecordId
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class DeletionPage:
    """A page of the CRM's deleted list."""

    deletions: Sequence[Deletion]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class RecordAddress:
    """Id, e-mails and name of a CRM record found anywhere in the module."""

    record_id: RecordId
    email: str
    secondary_email: str
    name: str
    created_at: datetime


class CrmDirectory(Protocol):
    """Contacts of a Zoho CRM, as one user may see them."""

    async def view_page(self, view: ViewId, page: str | None) -> RecordPage:
        """A page (200) of the list view with the mapped fields; `in_scope` is True.

        Raises ScopeGoneError(reason="view_gone"), PageTokenExpiredError; as every reading of records,
        ScopeGoneError(reason="crm_field_gone") when the CRM does not show a mapped field any more.
        """
        ...

    async def changed_page(self, since: datetime, page: str | None) -> RecordPage:
        """A page (200) of the whole module's records modified at or after `since`; `in_scope` is None."""
        ...

    async def deleted_page(self, since: datetime, page: str | None) -> DeletionPage:
        """A page (200) of records deleted at or after `since`, recycled and permanent."""
        ...

    async def members_since(self, view: ViewId, since: datetime) -> frozenset[RecordId] | None:
        """Ids of the view's records modified at or after `since` (COQL on the view, 2,000 a call).

        None when the CRM refuses this question for this connection.
        """
        ...

    async def read(self, ids: Sequence[RecordId], *, held: Collection[str] | None = None) -> Sequence[Observation]:
        """The records with these ids (100 a call), `in_scope` None; those that are not there are absent.

        `held` names the CRM fields that one of them is known to have held: of others it is no wonder that they are
        empty in all. Without it the CRM is asked whether it still shows each mapped field that is.
        """
        ...

    async def find_addresses(self, addresses: Sequence[str]) -> Sequence[RecordAddress]:
        """Records of the whole module whose Email or Secondary_Email is one of these (COQL `in`, 50 a call)."""
        ...

    async def addresses_page(self, after: RecordId | None) -> tuple[Sequence[RecordAddress], RecordId | None]:
        """Id and e-mails of the whole module by ascending id, 2,000 a call, and the id to go on after."""
        ...

    async def find_last_names(self, names: Sequence[str]) -> Sequence[Observation]:
        """Records with one of these Last_Names (COQL `in`, 50 a call), with mapped fields, however many."""
        ...

    async def companies(self, names: Sequence[str]) -> Mapping[str, str]:
        """Account ids by the asked name, for names the CRM knows (case and space aside; COQL `in`, 50 a call)."""
        ...

    async def create_companies(self, names: Sequence[str]) -> Mapping[str, str]:
        """Account ids by name, one made for each name (100 a call)."""
        ...

    async def create(
        self, requests: Sequence[CreateRequest], *, companies: Mapping[str, str]
    ) -> Sequence[WriteOutcome]:
        """One outcome a request, in order (at most 100). `companies` maps a company name to its account id."""
        ...

    async def update(
        self, requests: Sequence[RecordUpdate], *, unmodified_since: datetime, companies: Mapping[str, str]
    ) -> Sequence[WriteOutcome]:
        """One outcome a request, in order (at most 100); records changed since are `Refused(stale=True)`."""
        ...

    async def delete(self, requests: Sequence[tuple[LinkId, RecordId]]) -> Sequence[WriteOutcome]:
        """One outcome a request, in order (at most 100); a record that is gone already counts as written."""
        ...

    async def view_exists(self, view: ViewId) -> bool:
        """Whether the view can still be asked for (control call)."""
        ...


# --- Google ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of a person listing. The last page alone carries the next sync token."""

    people: Sequence[Observation]
    next_page: str | None
    next_sync_token: str | None
    total: int | None = None
    """Number of people the provider says the listing has, where it says so."""


class PeopleDirectory(Protocol):
    """Contacts of one Google account; `in_scope` means membership of the configuration's group."""

    async def list_page(self, sync_token: str | None, page: str | None) -> PeoplePage:
        """A page (1,000) of the whole account, or of what changed since `sync_token`.

        Raises SyncTokenExpiredError, PageTokenExpiredError.
        """
        ...

    async def read(self, ids: Sequence[PersonId]) -> Sequence[PersonSnapshot]:
        """The people with these names (batchGet, 200 a call), whole; those that are not there are absent.

        A person found under a new name has the old one in `observation.previous_ids`.
        """
        ...

    async def create(self, requests: Sequence[CreateRequest]) -> Sequence[WriteOutcome]:
        """One outcome a request (at most 200); each is put into the group and `myContacts` and carries its marker.

        Raises AccountFullError when the account can hold no more (nothing was applied).
        """
        ...

    async def update(self, requests: Sequence[PersonUpdate]) -> Sequence[WriteOutcome]:
        """One outcome a request (at most 200), sent with the union of what changed as mask.

        People named as stale or gone are `Refused(stale=True)` / `Refused(gone=True)`; the rest is sent again.
        """
        ...

    async def delete(self, requests: Sequence[tuple[LinkId, PersonId]]) -> Sequence[WriteOutcome]:
        """One outcome a request (at most 500); a person who is gone already counts as written."""
        ...

    async def join_group(self, requests: Sequence[tuple[LinkId, PersonId]]) -> Sequence[WriteOutcome]:
        """Put people into the group (members.modify, at most 1,000); not-found ones are `Refused(gone=True)`.

        `revision` is empty: the provider does not say it (any mutation moves the etag).
        """
        ...

    async def members(self, group: GroupId, *, above: int) -> Sequence[PersonId]:
        """Names of the members of the group; none where it has not more than `above`, or is gone (control calls)."""
        ...

    async def group_exists(self, group: GroupId) -> bool:
        """Whether the group can still be asked for (control call)."""
        ...
