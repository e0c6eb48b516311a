"""What a refusal of the People API means, as an error of ours.

Google words errors in the envelope of google.rpc.Status; an older block `errors[]` may stand beside or instead of its
`details[]`. Both are read and neither is needed. Gateways before the API answer in HTML: then the status alone speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contactsync.adapters.http import Answer
from contactsync.errors import (
    AccountFullError,
    AuthorizationLostError,
    ContactSyncError,
    ProviderContractError,
    RateLimitedError,
    RevisionConflictError,
    SyncTokenExpiredError,
)

INVALID_ARGUMENT: Final = 3
NOT_FOUND: Final = 5
FAILED_PRECONDITION: Final = 9

_NOT_APPLIED: Final = frozenset({8, 10})
"""RESOURCE_EXHAUSTED and ABORTED: refused for now, before anything was done."""
_UNCLEAR: Final = frozenset({1, 2, 4, 13, 14})
"""CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE (google.rpc.Code)."""

_MINUTE_S: Final = 60.0
"""Quotas count by the minute; a shorter pause only fills the next minute with refusals."""
_ACCOUNT_QUOTA_S: Final = 300.0
"""The back-end quota of one account clears after hours; the caller doubles from here."""
_DAY_QUOTA_S: Final = 3600.0

_RATE_REASONS: Final = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED"}
)
_SCOPE_REASONS: Final = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
_DISABLED_REASONS: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_OVERFLOW: Final = "MY_CONTACTS_OVERFLOW_COUNT"


@dataclass(frozen=True, slots=True)
class ItemStatus:
    """google.rpc.Status of one item of a batch."""

    code: int
    message: str

    @classmethod
    def of(cls, value: object) -> ItemStatus:
        """The status as it stands in a batch answer; absent or `{}` means success."""
        status = value if isinstance(value, dict) else {}
        return cls(int(status.get("code") or 0), str(status.get("message") or ""))

    @property
    def is_stale(self) -> bool:
        """Whether the etag that was sent is not the current one."""
        return self.code == FAILED_PRECONDITION or _speaks_of_etag(self.message)

    @property
    def is_overflow(self) -> bool:
        """Whether the account can hold no more contacts."""
        return _OVERFLOW in self.message

    @property
    def is_gone(self) -> bool:
        """Whether the contact does not exist."""
        return self.code == NOT_FOUND

    @property
    def is_temporary(self) -> bool:
        """Whether the contact is not at fault, and the same may pass the next time."""
        return self.code in _NOT_APPLIED | _UNCLEAR

    @property
    def is_unclear(self) -> bool:
        """Whether, beside others that were carried out, this one may have been as well."""
        return self.code in _UNCLEAR


@dataclass(frozen=True, slots=True)
class Failure:
    """A 4xx answer, read. `details` are the parts of the envelope that are objects."""

    http: int
    status: str = ""
    message: str = ""
    reasons: frozenset[str] = frozenset()
    details: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, answer: Answer) -> Failure:
        """The envelope of `answer`; empty texts where there is none."""
        error = answer.error_object().get("error")
        if not isinstance(error, dict):
            return cls(answer.status)
        details = tuple(_objects(error.get("details")))
        reasons = {item.get("reason") for item in (*details, *_objects(error.get("errors")))}
        return cls(
            answer.status,
            str(error.get("status") or ""),
            str(error.get("message") or ""),
            frozenset(reason for reason in reasons if isinstance(reason, str)),
            details,
        )

    @property
    def item(self) -> ItemStatus:
        """The refusal as that of the one contact that the request was about."""
        code = {404: NOT_FOUND}.get(self.http, INVALID_ARGUMENT)
        return ItemStatus(FAILED_PRECONDITION if self.is_stale_etag else code, self.message)

    @property
    def is_stale_etag(self) -> bool:
        """A write named a version that is not the current one; 400, never 409 or 412."""
        return self.http == 400 and _speaks_of_etag(self.message)  # noqa: PLR2004  an HTTP status

    @property
    def is_about_mask(self) -> bool:
        """Whether the fields that were asked for are at fault, and no contact or token."""
        return "mask" in self.message.lower()

    @property
    def blames_contacts(self) -> bool:
        """Whether what was sent is at fault, so that the same batch without some contacts may pass."""
        return self.http in {400, 404, 409, 413}

    def named(self) -> dict[str, ItemStatus]:
        """Contacts that the refusal names: a zero-based index (creates) or a resource name (updates) to its status.

        Source: BatchCreateContactsErrorDetails and BatchUpdateContactsErrorDetails, People API.
        """
        named: dict[str, ItemStatus] = {}
        for detail in self.details:
            errors = detail.get("contactErrors")
            if isinstance(errors, dict):
                named |= {str(key): ItemStatus.of(status) for key, status in errors.items()}
        return named


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _speaks_of_etag(message: str) -> bool:
    # Two wordings: "Request person.etag is different …" and "Request person.metadata.sources.etag is different …".
    return "etag is different" in message


def error_of(answer: Answer) -> ContactSyncError:
    """The error that `answer`, which is no success, stands for; 5xx never come here."""
    failure = Failure.of(answer)
    match answer.status:
        case 401:
            return AuthorizationLostError("Google refused a fresh token", reason="needs_reconnect")
        case 403:
            return _forbidden(failure, answer)
        case 429:
            return _exhausted(failure, answer)
        case _:
            return _bad_request(failure, answer)


def _bad_request(failure: Failure, answer: Answer) -> ContactSyncError:
    if is_expired_sync_token(failure):
        return SyncTokenExpiredError("Google does not know the sync token any more")
    if failure.is_stale_etag:
        return RevisionConflictError("a person changed since it was read")
    if _OVERFLOW in failure.message:
        return AccountFullError("the Google account holds as many contacts as it may")
    return _unexpected(failure, answer)


def is_expired_sync_token(failure: Failure) -> bool:
    """Whether the refusal says so in any of its forms: the reason, the text, or the older 410.

    `status` differs between captures (FAILED_PRECONDITION, INVALID_ARGUMENT) and is never asked.
    """
    return (
        failure.http == 410  # noqa: PLR2004  an HTTP status
        or "EXPIRED_SYNC_TOKEN" in failure.reasons
        or failure.message.startswith("Sync token is expired")
    )


def _forbidden(failure: Failure, answer: Answer) -> ContactSyncError:
    if failure.reasons & _RATE_REASONS:
        return _rate_limited(failure, answer)
    if failure.reasons & _DISABLED_REASONS:
        return AuthorizationLostError("the People API is not enabled in the project", reason="service_disabled")
    if failure.reasons & _SCOPE_REASONS or "insufficient authentication scopes" in failure.message:
        return AuthorizationLostError("the grant lacks a scope", reason="missing_scope")
    if failure.status == "PERMISSION_DENIED":
        return AuthorizationLostError("Google denied access", details={"reasons": sorted(failure.reasons)})
    return _unexpected(failure, answer)


def _exhausted(failure: Failure, answer: Answer) -> ContactSyncError:
    said = [failure.message, *_violations(failure)]
    if any(_OVERFLOW in text for text in said):
        return AccountFullError("the Google account holds as many contacts as it may")
    if any("FBS quota" in text for text in said) or failure.message.startswith("Resource has been exhausted"):
        wait = answer.retry_after_s or _ACCOUNT_QUOTA_S
        return RateLimitedError("the account's own quota", reason="google_account_quota", retry_after_s=wait)
    return _rate_limited(failure, answer)


def _violations(failure: Failure) -> Iterator[str]:
    for detail in failure.details:
        for violation in _objects(detail.get("violations")):
            yield f"{violation.get('subject', '')} {violation.get('description', '')}"


def _rate_limited(failure: Failure, answer: Answer) -> RateLimitedError:
    metadata = [detail.get("metadata") for detail in failure.details]
    limits = [str(item.get("quota_limit", "")) for item in metadata if isinstance(item, dict)]
    daily = "dailyLimitExceeded" in failure.reasons or any("Day" in limit for limit in limits)
    return RateLimitedError(
        "a quota of the People API is used up",
        reason="google_quota",
        retry_after_s=answer.retry_after_s or (_DAY_QUOTA_S if daily else _MINUTE_S),
        details={"limits": limits},
    )


def _unexpected(failure: Failure, answer: Answer) -> ProviderContractError:
    # The message may quote what was sent: it is for the owner, not for the log.
    return ProviderContractError(
        f"unexpected {answer.status} {failure.status} from Google",
        details={"operation": answer.operation, "status": failure.status, "reasons": sorted(failure.reasons)},
        provider_message=failure.message,
    )
