"""Every refusal of the simulated CRM, in the shape in which Zoho sends it.

Two shapes exist: reads and call-wide problems answer with one object at the top level; writes answer
with one such object for each record inside `data[]` (Zoho CRM API v8, "Status codes").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ZohoError(Exception):
    """A call-wide refusal: HTTP `status` and one top-level object."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def body(self) -> dict[str, Any]:
        """The top-level error object."""
        return {"code": self.code, "details": self.details, "message": self.message, "status": "error"}


class ItemError(Exception):
    """A refusal of one record of a write; the other records of the call go on."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def body(self) -> dict[str, Any]:
        """The object that stands in `data[]`."""
        return {"code": self.code, "details": self.details, "message": self.message, "status": "error"}


def several(problems: Sequence[ItemError]) -> ItemError:
    """One problem as it is; several as `MULTIPLE_OR_MULTI_ERRORS` with the list of them."""
    if len(problems) == 1:
        return problems[0]
    errors = [{"code": one.code, "details": one.details, "message": one.message} for one in problems]
    return ItemError("MULTIPLE_OR_MULTI_ERRORS", "multiple errors occurred", {"errors": errors})


def missing_param(name: str) -> ZohoError:
    """400 for a query parameter that must be there."""
    return ZohoError(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", {"param_name": name})


def invalid_param(name: str, **details: object) -> ZohoError:
    """400 for a query parameter with a value that means nothing here."""
    return ZohoError(400, "INVALID_DATA", f"the {name} given seems to be invalid", {"param_name": name, **details})


def ambiguous(*names: str) -> ZohoError:
    """400 for parameters that exclude one another."""
    return ZohoError(
        400,
        "AMBIGUITY_DURING_PROCESSING",
        "ambiguity while processing the request",
        {"ambiguity_due_to": [{"param_name": name} for name in names]},
    )


def limit_exceeded(**details: object) -> ZohoError:
    """400 for a size beyond the documented maximum."""
    return ZohoError(400, "LIMIT_EXCEEDED", "limit exceeded", details)


def no_permission(*permissions: str) -> ZohoError:
    """403 because the profile of the user lacks a right."""
    return ZohoError(403, "NO_PERMISSION", "permission denied", {"permissions": list(permissions)})


def invalid_module() -> ZohoError:
    """400 for a module that does not exist or is hidden."""
    return ZohoError(400, "INVALID_MODULE", "the module name given seems to be invalid", {"resource_path_index": 0})


def invalid_url() -> ZohoError:
    """404 for a path that no endpoint answers."""
    return ZohoError(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")


def invalid_method() -> ZohoError:
    """400 for a method that the path does not know."""
    return ZohoError(400, "INVALID_REQUEST_METHOD", "The http request method type is not a valid one")


def unauthorised(code: str) -> ZohoError:
    """401 in one of its three kinds: bad token, failed authentication, missing scope."""
    message = {
        "INVALID_TOKEN": "invalid oauth token",
        "AUTHENTICATION_FAILURE": "Authentication failed",
        "OAUTH_SCOPE_MISMATCH": "invalid oauth scope to access this URL",
    }[code]
    return ZohoError(401, code, message)


def too_many(message: str) -> ZohoError:
    """429; only the message tells daily credits from concurrency (API v8, "API limits")."""
    return ZohoError(429, "TOO_MANY_REQUESTS", message)


def bad_id(path: str | None = None) -> ItemError:
    """A record id that the user cannot reach, by `json_path` when the id came in a body."""
    details = {"expected_data_type": "bigint", "api_name": "id"}
    if path is not None:
        details["json_path"] = path
    return ItemError("INVALID_DATA", "the id given seems to be invalid", details)


def bad_body(**details: object) -> ZohoError:
    """400 for a body that is no JSON object or lacks its list."""
    return ZohoError(400, "INVALID_DATA", "invalid data", details or {"expected_data_type": "jsonobject"})
