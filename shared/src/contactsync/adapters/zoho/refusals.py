"""What the CRM objects to, for a whole call and for one record of a write, in the words of our errors.

Two shapes exist: reads and call-wide problems answer with one object at the top level, writes with one such object
for each record inside `data[]`. Source: Zoho CRM API v8, "Status codes" and the error tables of its record pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contactsync.adapters.http import Answer
from contactsync.adapters.zoho.protocol import is_empty
from contactsync.domain.reasons import Reason
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    PageTokenExpiredError,
    PermissionMissingError,
    ProviderContractError,
    RateLimitedError,
    RecordRejectedError,
    ScopeGoneError,
)

CREDITS_PARKED_S: Final = 3600.0
"""The daily credits are a rolling window: an hour later some have come back."""
CONCURRENCY_PARKED_S: Final = 1.0
_UNAUTHORIZED: Final = 401
_CONFLICT: Final = 412
_TOO_MANY: Final = 429
_ABOUT_CREDITS: Final = re.compile(r"credit|24[- ]?h|daily|per day", re.IGNORECASE)
_RIGHT_CODES: Final = frozenset({"NO_PERMISSION", "AUTHORIZATION_FAILED", "INVALID_MODULE"})
_FOREIGN_PAGE: Final = frozenset({"TOKEN_BOUND_DATA_MISMATCH", "EXPIRED_VALUE"})
_FIELD_IN_PATH: Final = re.compile(r"\$\.data\[\d+\]\.([^.\[]+)(.*)")

ITEM_REASONS: Final[Mapping[str, str]] = {
    "MANDATORY_NOT_FOUND": Reason.CRM_FIELD_REQUIRED,
    "INVALID_DATA": Reason.VALUE_DOES_NOT_FIT,
    "DUPLICATE_DATA": Reason.DUPLICATE_IN_CRM,
    "RECORD_LOCKED": Reason.LOCKED,
    "NOT_APPROVED": Reason.NOT_APPROVED,
    "NOT_REVIEWED": Reason.NOT_APPROVED,
    "DEPENDENT_FIELD_MISSING": Reason.DEPENDENT_FIELD,
    "DEPENDENT_MISMATCH": Reason.DEPENDENT_FIELD,
    "EXPECTED_FIELD_MISSING": Reason.DEPENDENT_FIELD,
    "DEPENDENT_SERVICE_ERROR": Reason.PROVIDER_UNAVAILABLE,
    "AUTHORIZATION_FAILED": Reason.NO_PERMISSION,
    "NO_PERMISSION": Reason.NO_PERMISSION,
    "ALREADY_MODIFIED": Reason.REVISION_CONFLICT,
}
"""Reason codes of refused records; any other code is `rejected_by_provider`."""


def is_refused_token(answer: Answer) -> bool:
    """Whether a new access token may help: not when the grant lacks a scope.

    An expired token is called INVALID_TOKEN or AUTHENTICATION_FAILURE, and a gateway may say 401 in words of its own.
    """
    return answer.status == _UNAUTHORIZED and not _lacks_scope(answer)


def concerns_the_connection(answer: Answer) -> bool:
    """Whether no request of this connection can be carried out now: its token, its limits, or its data centre."""
    if answer.status in {_UNAUTHORIZED, _TOO_MANY}:
        return True
    return not answer.is_success and answer.error_object().get("code") == "INVALID_HOST"


def refuse(answer: Answer) -> None:
    """Return when the answer carries a result. Raises the error that the CRM's refusal stands for."""
    if not answer.is_success and not is_empty(answer):
        raise call_error(answer)


def call_error(answer: Answer) -> ContactSyncError:
    """The error for a call that was refused as a whole; nothing of it was carried out."""
    if answer.status == _TOO_MANY:
        return _rate_limited(answer)
    body = _first_problem(answer.error_object())
    code, details = str(body.get("code", "")), _details(body)
    if answer.status == _UNAUTHORIZED:
        missing = code == "OAUTH_SCOPE_MISMATCH"
        return AuthorizationLostError(
            code, reason=Reason.MISSING_SCOPE if missing else None, details=_facts(answer, body)
        )
    if code in _RIGHT_CODES:
        rights = [str(one) for one in details.get("permissions") or ()]
        return PermissionMissingError(code, details={**_facts(answer, body), "permissions": rights})
    if code == "INVALID_HOST":
        return AuthorizationLostError(code, reason=Reason.WRONG_DATA_CENTRE, details=_facts(answer, body))
    return ProviderContractError(
        f"refused with {code or answer.status}",
        details=_facts(answer, body),
        provider_message=str(body.get("message", "")),
    )


def listing_error(answer: Answer) -> ContactSyncError:
    """The error for a refused page: the view is gone, the place in the listing is lost, or as for any call."""
    body = answer.error_object()
    code, details = str(body.get("code", "")), _details(body)
    parameter = details.get("param_name")
    if code == "INVALID_DATA" and parameter == "cvid":
        return ScopeGoneError("the CRM does not know the view", reason=Reason.VIEW_GONE)
    if code in _FOREIGN_PAGE or (code == "INVALID_DATA" and parameter == "page_token"):
        return PageTokenExpiredError(code, details=_facts(answer, body))
    if code == "PAGINATION_LIMIT_EXCEEDED":
        return ProviderContractError("a listing beyond 100,000 records", reason=Reason.VIEW_TOO_LARGE)
    return call_error(answer)


def is_unanswerable_query(answer: Answer) -> bool:
    """Whether the CRM does not take this COQL query: its grammar or a name in it."""
    return answer.error_object().get("code") in {"SYNTAX_ERROR", "INVALID_QUERY", "INVALID_DATA"}


def is_unknown_column(answer: Answer, name: str) -> bool:
    """Whether a COQL query was refused because the module has no such field."""
    body = answer.error_object()
    return body.get("code") == "INVALID_QUERY" and name in _details(body).values()


def is_unknown_view(answer: Answer) -> bool:
    """Whether the CRM does not know the list view that was asked for."""
    code = answer.error_object().get("code")
    return not answer.is_success and code in {"INVALID_DATA", "INVALID_URL_PATTERN", "RESOURCE_NOT_FOUND"}


def is_missing_right(answer: Answer) -> bool:
    """Whether the call was refused because the profile lacks a right."""
    return answer.error_object().get("code") in _RIGHT_CODES


def is_stale_call(answer: Answer) -> bool:
    """Whether the whole call was refused because something in it changed since (412)."""
    return answer.status == _CONFLICT


@dataclass(frozen=True, slots=True)
class ItemProblem:
    """Why one record of a write was refused."""

    code: str
    error: RecordRejectedError
    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields whose value the CRM cannot hold, with the type that it expects there where it tells.

    Left out, the rest may be taken. Empty when that would not help."""
    gone: bool = False
    stale: bool = False
    duplicate_of: str | None = None


def item_problem(item: Mapping[str, Any]) -> ItemProblem:
    """The refusal of one record, with the provider's own message and the fields that it names."""
    code = str(item.get("code", ""))
    problems = list(_problems(item))
    named = [_field_of(one) for one in problems]
    gone = any(_names_the_record(one) for one in problems)
    curable = not gone and all(one.get("code") == "INVALID_DATA" for one in problems) and all(named)
    reason_code = next((str(one.get("code")) for one in problems if one.get("code") != "INVALID_DATA"), "INVALID_DATA")
    reason = Reason.GONE if gone else ITEM_REASONS.get(reason_code, RecordRejectedError.reason)
    duplicates = (_duplicate_of(one) for one in problems if one.get("code") == "DUPLICATE_DATA")
    message = "; ".join(dict.fromkeys(str(one.get("message", "")) for one in problems))
    expected = {name: _expected_type(one) for name, one in zip(named, problems, strict=True) if name}
    return ItemProblem(
        code=code,
        error=RecordRejectedError(
            message, reason=reason, details={"code": reason_code, "message": message, "fields": tuple(expected)}
        ),
        fields=expected if curable else {},
        gone=gone,
        stale=code == "ALREADY_MODIFIED",
        duplicate_of=next(duplicates, None),
    )


def _problems(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The item itself, or each of the several problems that it lists."""
    several = _details(item).get("errors")
    if item.get("code") == "MULTIPLE_OR_MULTI_ERRORS" and isinstance(several, list) and several:
        yield from (one for one in several if isinstance(one, dict))
    else:
        yield item


def _field_of(problem: Mapping[str, Any]) -> str:
    """The field that a problem names. The path is asked first: a lookup's `api_name` may be that of its inner id."""
    details = _details(problem)
    inside = _FIELD_IN_PATH.fullmatch(str(details.get("json_path", "")))
    return inside.group(1) if inside else str(details.get("api_name", ""))


def _expected_type(problem: Mapping[str, Any]) -> str:
    return str(_details(problem).get("expected_data_type", ""))


def _duplicate_of(problem: Mapping[str, Any]) -> str | None:
    """The record that has the unique value already; none where this user may not see it."""
    details = _details(problem)
    twin = details.get("duplicate_record")
    found = details.get("id") or (twin.get("id") if isinstance(twin, dict) else None)
    return str(found) if found else None


def _names_the_record(problem: Mapping[str, Any]) -> bool:
    """Whether the id itself is what the CRM does not know."""
    return problem.get("code") == "INVALID_DATA" and _field_of(problem) == "id"


def _lacks_scope(answer: Answer) -> bool:
    return answer.error_object().get("code") == "OAUTH_SCOPE_MISMATCH"


def _rate_limited(answer: Answer) -> RateLimitedError:
    """429 for credits or for concurrency: only the message tells them apart ("API limits")."""
    body = answer.error_object()
    spent = _ABOUT_CREDITS.search(str(body.get("message", ""))) or answer.headers.get("x-api-credits-remaining") == "0"
    wait = CREDITS_PARKED_S if spent else CONCURRENCY_PARKED_S
    asked = answer.retry_after_s
    return RateLimitedError(
        "the CRM's limit is reached",
        reason=Reason.CRM_CREDITS if spent else Reason.CRM_CONCURRENCY,
        details=_facts(answer, body),
        retry_after_s=wait if asked is None else max(wait, asked),
    )


def _first_problem(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that describes a refused call: at the top, or the first of `data[]` where a write puts it there."""
    items = body.get("data")
    if "code" not in body and isinstance(items, list) and items and isinstance(items[0], dict):
        return items[0]
    return body


def _details(body: Mapping[str, Any]) -> Mapping[str, Any]:
    details = body.get("details")
    return details if isinstance(details, dict) else {}


def _facts(answer: Answer, body: Mapping[str, Any]) -> dict[str, object]:
    details = _details(body)
    names = {
        key: details[key] for key in ("param_name", "api_name", "limit", "column_name", "clause") if key in details
    }
    return {"operation": answer.operation, "status": answer.status, "code": body.get("code", ""), **names}
