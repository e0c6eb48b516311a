"""Everything that can go wrong, sorted by what the caller does about it.

::

    ContactSyncError
    ├── ConfigurationError            stop the process with one clear line
    ├── TemporaryError                try again later
    │   ├── RateLimitedError          … not before `retry_after_s`
    │   │   └── QuotaKeptError        … by our own account: nobody was asked
    │   ├── ProviderUnavailableError  … with backoff
    │   ├── ListingCutShortError      … from the start of that listing
    │   └── BrokerUnavailableError    … the outbox row stays
    ├── OutcomeUnknownError           look the write up, then decide again
    ├── SyncTokenExpiredError         read that side in full
    ├── PageTokenExpiredError         start that listing again
    ├── RevisionConflictError         read those contacts again, plan again
    ├── ScopeGoneError                view, group or a mapped field is gone: pause the configuration
    ├── AuthorizationLostError        pause the connection, tell its owner
    │   ├── PermissionMissingError    … naming the right that is missing
    │   └── UserInactiveError         … whoever it is was switched off in the CRM
    ├── ContactRefusedError           skip the contact, record why, go on
    │   ├── MappingError
    │   └── RecordRejectedError
    ├── AccountFullError              hold creates on that side, go on with the rest
    ├── ProviderContractError         the provider answered what we cannot read: stop the slice, count it
    ├── LeaseLostError                drop the work without writing
    ├── PoisonMessageError            dead-letter the message with the reason
    ├── SealBrokenError               a stored secret does not open: stop the slice, an operator looks
    ├── StateInvariantError           a write would break a rule of the stored state: nothing was written
    ├── UnknownRowError               this organisation has no such row
    ├── NotActiveError                the configuration is a draft, paused or deactivated
    └── TicketEndedError              its holder was switched off in the CRM: refuse him, and say why

Errors carry ids, reasons and request ids; never names, addresses or tokens. Callers switch on `disposition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Disposition(StrEnum):
    """What the one place that handles an error does with it."""

    STOP_PROCESS = "stop_process"
    RETRY_LATER = "retry_later"
    LOOK_UP = "look_up"
    READ_IN_FULL = "read_in_full"
    RESTART_LISTING = "restart_listing"
    READ_AGAIN = "read_again"
    PAUSE_CONFIGURATION = "pause_configuration"
    PAUSE_CONNECTION = "pause_connection"
    SKIP_CONTACT = "skip_contact"
    HOLD_CREATES = "hold_creates"
    FAIL_RUN = "fail_run"
    DROP_WORK = "drop_work"
    DEAD_LETTER = "dead_letter"


class ContactSyncError(Exception):
    """Base of the tree; `reason` is a stable code, `details` are facts without personal data."""

    disposition: Disposition = Disposition.FAIL_RUN
    reason: str = "internal_error"

    def __init__(
        self, message: str = "", *, reason: str | None = None, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message or reason or self.reason)
        if reason is not None:
            self.reason = reason
        self.details: dict[str, object] = dict(details or {})


class ConfigurationError(ContactSyncError):
    """A setting is missing or wrong; the message names it."""

    disposition = Disposition.STOP_PROCESS
    reason = "configuration_error"


class TemporaryError(ContactSyncError):
    """The same request may succeed later; nothing was changed by it."""

    disposition = Disposition.RETRY_LATER
    reason = "temporary"

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        details: Mapping[str, object] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, reason=reason, details=details)
        self.retry_after_s = retry_after_s


class RateLimitedError(TemporaryError):
    """A quota is used up: `google_quota`, `google_account_quota`, `crm_credits` or `crm_concurrency` (the `reason`)."""

    reason = "rate_limited"


class QuotaKeptError(RateLimitedError):
    """Our own account of a quota says that it is used up; the provider was not asked."""


class ProviderUnavailableError(TemporaryError):
    """The provider did not answer, or answered 5xx, to a request that changes nothing or may be repeated."""

    reason = "provider_unavailable"


class ListingCutShortError(TemporaryError):
    """A full listing ended before it had shown as many contacts as it says it has: nothing may be made on its word."""

    reason = "listing_cut_short"


class BrokerUnavailableError(TemporaryError):
    """A publish was not confirmed; it may or may not have been taken."""

    reason = "broker_unavailable"


class OutcomeUnknownError(ContactSyncError):
    """A write was sent and no clear answer came: it may have been applied, wholly or in part."""

    disposition = Disposition.LOOK_UP
    reason = "outcome_unknown"


class SyncTokenExpiredError(ContactSyncError):
    """The incremental state can no longer be answered."""

    disposition = Disposition.READ_IN_FULL
    reason = "sync_token_expired"


class PageTokenExpiredError(ContactSyncError):
    """The place in a listing is no longer known to the provider."""

    disposition = Disposition.RESTART_LISTING
    reason = "page_token_expired"


class RevisionConflictError(ContactSyncError):
    """Contacts of a batch changed since they were read; nothing of the batch was applied.

    `remote_ids` names them where the provider does; empty means that it did not say.
    """

    disposition = Disposition.READ_AGAIN
    reason = "revision_conflict"

    def __init__(self, message: str = "", *, remote_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remote_ids = remote_ids


class ScopeGoneError(ContactSyncError):
    """The list view (`view_gone`), the contact group (`group_gone`) or a mapped field (`crm_field_gone`) is gone."""

    disposition = Disposition.PAUSE_CONFIGURATION
    reason = "scope_gone"


class AuthorizationLostError(ContactSyncError):
    """The grant was revoked, expired, or lacks a scope (`needs_reconnect`, `missing_scope`, `service_disabled`)."""

    disposition = Disposition.PAUSE_CONNECTION
    reason = "needs_reconnect"


class PermissionMissingError(AuthorizationLostError):
    """The user's profile lacks a right; `details["permissions"]` names it."""

    disposition = Disposition.PAUSE_CONFIGURATION
    reason = "no_permission"


class UserInactiveError(AuthorizationLostError):
    """The user was switched off in the CRM: he has lost his grants and his sessions here."""

    reason = "user_inactive"


class ContactRefusedError(ContactSyncError):
    """One contact cannot be written; the others can."""

    disposition = Disposition.SKIP_CONTACT
    reason = "refused"


class MappingError(ContactRefusedError):
    """A value has no form that the other side can hold."""

    reason = "value_does_not_fit"


class RecordRejectedError(ContactRefusedError):
    """The provider refused one contact; `details` holds its code, message and the fields that it names."""

    reason = "rejected_by_provider"


class AccountFullError(ContactSyncError):
    """The Google account holds as many contacts as it may."""

    disposition = Disposition.HOLD_CREATES
    reason = "google_account_full"


class ProviderContractError(ContactSyncError):
    """The provider's answer could not be understood (not JSON, wrong shape, an unknown permanent error).

    `provider_message` is what the provider says itself. It may quote contact data: for the owner's eyes, never logged.
    """

    reason = "provider_contract"

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        details: Mapping[str, object] | None = None,
        provider_message: str = "",
    ) -> None:
        super().__init__(message, reason=reason, details=details)
        self.provider_message = provider_message


class LeaseLostError(ContactSyncError):
    """Somebody else may be working on the account now."""

    disposition = Disposition.DROP_WORK
    reason = "lease_lost"


class PoisonMessageError(ContactSyncError):
    """A queue message that can never be handled (unknown schema, unreadable body)."""

    disposition = Disposition.DEAD_LETTER
    reason = "poison_message"


class SealBrokenError(ContactSyncError):
    """A sealed value was moved, altered, or belongs to a key that is erased or unknown."""

    reason = "seal_broken"


class StateInvariantError(ContactSyncError):
    """A write would break a rule of the stored state (two pairs with one contact, a run that had ended)."""

    reason = "state_invariant"


class UnknownRowError(ContactSyncError):
    """This organisation has no such row; nothing is said about others."""

    reason = "unknown"


class NotActiveError(ContactSyncError):
    """The configuration is a draft, paused or deactivated."""

    reason = "not_active"


class TicketEndedError(ContactSyncError):
    """A session, or what leads to one, whose holder is not active in the CRM any more."""

    reason = "user_inactive"
