"""Google's error envelope, and one constructor for each error of the People API that the simulator gives.

Source: google.rpc.Status and google.rpc.Code; texts as reported for people.googleapis.com.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import orjson
from starlette.responses import Response

JSON_TYPE = "application/json; charset=UTF-8"
Details = list[dict[str, Any]]

_MASK_HELP = "Valid paths are documented at https://developers.google.com/people/api/rest/v1/people/get."


class Code(Enum):
    """A google.rpc.Code: its number, the HTTP status it travels with, and the reason in the older error block."""

    INVALID_ARGUMENT = (3, 400, "badRequest")
    DEADLINE_EXCEEDED = (4, 504, "backendError")
    NOT_FOUND = (5, 404, "notFound")
    ALREADY_EXISTS = (6, 409, "alreadyExists")
    PERMISSION_DENIED = (7, 403, "forbidden")
    RESOURCE_EXHAUSTED = (8, 429, "rateLimitExceeded")
    FAILED_PRECONDITION = (9, 400, "failedPrecondition")
    UNIMPLEMENTED = (12, 501, "notImplemented")
    INTERNAL = (13, 500, "backendError")
    UNAVAILABLE = (14, 503, "backendError")
    UNAUTHENTICATED = (16, 401, "authError")

    @property
    def number(self) -> int:
        """The rpc code."""
        return self.value[0]

    @property
    def http(self) -> int:
        """The HTTP status."""
        return self.value[1]


class ApiError(Exception):
    """An error answer of the People API."""

    def __init__(
        self,
        code: Code,
        message: str,
        details: Details | None = None,
        *,
        http: int | None = None,
        reason: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or []
        self.http = http or code.http
        self.reason = reason or code.value[2]
        self.headers = headers or {}

    def status_json(self) -> dict[str, Any]:
        """The error as a google.rpc.Status, as it stands inside batch answers."""
        return {"code": self.code.number, "message": self.message}

    def response(self, *, error_block: bool = False) -> Response:
        """The error as an HTTP answer, with the older `errors[]` block where asked for."""
        error: dict[str, Any] = {"code": self.http, "message": self.message, "status": self.code.name}
        if error_block:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        if self.details:
            error["details"] = self.details
        return Response(orjson.dumps({"error": error}), self.http, headers=self.headers, media_type=JSON_TYPE)


def error_info(reason: str, domain: str, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    """A google.rpc.ErrorInfo."""
    info: dict[str, Any] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain}
    return info | ({"metadata": metadata} if metadata else {})


def invalid(message: str = "Request contains an invalid argument.") -> ApiError:
    """400 INVALID_ARGUMENT."""
    return ApiError(Code.INVALID_ARGUMENT, message)


def bad_payload(violations: list[tuple[str, str]]) -> ApiError:
    """400 for JSON that does not fit the message: `(field path, description)` pairs."""
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [
                {"field": field, "description": text} if field else {"description": text} for field, text in violations
            ],
        }
    ]
    return ApiError(Code.INVALID_ARGUMENT, "\n".join(text for _, text in violations), details)


def unknown_query(name: str) -> ApiError:
    """400 for a query parameter that the method does not have."""
    text = (
        f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
        f"Field '{name}' could not be found in request message."
    )
    return bad_payload([("", text)])


def not_found() -> ApiError:
    """404 for a contact or group that is not there."""
    return ApiError(Code.NOT_FOUND, "Requested entity was not found.")


def mask_required(name: str) -> ApiError:
    """400 for a missing field mask."""
    return invalid(f"{name} mask is required. Please specify one or more valid paths. {_MASK_HELP}")


def bad_mask_path(name: str, path: str) -> ApiError:
    """400 for a path that the mask does not allow."""
    return invalid(f'Invalid {name} mask path: "{path}". {_MASK_HELP}')


def etag_missing() -> ApiError:
    """400 for an update without etag."""
    return invalid("Request must set person.etag or person.metadata.sources.etag for the source that is being updated.")


def etag_stale(which: str) -> ApiError:
    """400 for an update from an old version; `which` is the path of the etag that was sent."""
    text = f"Request {which} is different than the current {which}. Clear local cache and get the latest person."
    return ApiError(Code.FAILED_PRECONDITION, text)


def sync_token_expired(kind: str) -> ApiError:
    """The three known forms of an expired sync token; `kind` as in GoogleSettings.expired_sync_token."""
    code = Code.INVALID_ARGUMENT if kind == "invalid_argument" else Code.FAILED_PRECONDITION
    text = "Sync token is expired. Clear local cache and retry call without the sync token."
    details = [error_info("EXPIRED_SYNC_TOKEN", "people.googleapis.com")]
    return ApiError(code, text, details, http=410 if kind == "gone" else 400)


def unauthenticated(*, missing: bool) -> ApiError:
    """401, with the challenge header."""
    challenge = 'Bearer realm="https://accounts.google.com/"'
    if missing:
        text = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or"
        reason = "CREDENTIALS_MISSING"
    else:
        text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or"
        reason = "ACCESS_TOKEN_EXPIRED"
        challenge += ', error="invalid_token"'
    text += (
        " other valid authentication credential."
        " See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return ApiError(
        Code.UNAUTHENTICATED, text, [error_info(reason, "googleapis.com")], headers={"WWW-Authenticate": challenge}
    )


def scope_missing() -> ApiError:
    """403 for a token without the scope that the method needs."""
    info = error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", {"service": "people.googleapis.com"})
    challenge = 'Bearer realm="https://accounts.google.com/", error="insufficient_scope"'
    return ApiError(
        Code.PERMISSION_DENIED,
        "Request had insufficient authentication scopes.",
        [info],
        reason="insufficientPermissions",
        headers={"WWW-Authenticate": challenge},
    )


def service_disabled(project: str) -> ApiError:
    """403 for a project in which the People API is not switched on."""
    text = (
        f"People API has not been used in project {project} before or it is disabled. Enable it by visiting"
        f" https://console.developers.google.com/apis/api/people.googleapis.com/overview?project={project} then retry."
    )
    metadata = {"service": "people.googleapis.com", "consumer": f"projects/{project}"}
    info = error_info("SERVICE_DISABLED", "googleapis.com", metadata)
    return ApiError(Code.PERMISSION_DENIED, text, [info], reason="accessNotConfigured")


def account_full() -> ApiError:
    """429 for an account that holds all the contacts it may."""
    return ApiError(Code.RESOURCE_EXHAUSTED, "Resource has been exhausted: MY_CONTACTS_OVERFLOW_COUNT.")


def account_quota_used_up() -> ApiError:
    """429 of the account's own back-end quota, which clears after hours."""
    violation = {"subject": "QUOTA_EXCEEDED", "description": "FBS quota limit exceeded"}
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
    return ApiError(Code.RESOURCE_EXHAUSTED, "Resource has been exhausted (e.g. check quota).", [failure])


def unavailable() -> ApiError:
    """503."""
    return ApiError(Code.UNAVAILABLE, "The service is currently unavailable.", reason="backendError")
