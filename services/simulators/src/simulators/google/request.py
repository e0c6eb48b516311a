"""A People API request after its transport: path, query and body, whichever way they came."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from simulators.google import errors
from simulators.google.schema import READ_SOURCES, Json, check_body

STANDARD_QUERY = frozenset(
    [
        "alt",
        "prettyPrint",
        "quotaUser",
        "key",
        "access_token",
        "oauth_token",
        "uploadType",
        "upload_protocol",
        "$.xgafv",
    ]
)
"""Parameters of every method; `fields` and `callback` are refused, as the simulator does not carry them out."""
_FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class ApiRequest:
    """What a handler is asked."""

    operation: str
    path: dict[str, str]
    query: dict[str, list[str]]
    body: Json = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The value of a query parameter; the last one counts."""
        values = self.query.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> list[str]:
        """All values of a repeated parameter."""
        return self.query.get(name, [])

    def flag(self, name: str) -> bool:
        """A boolean parameter, false without it. Raises ApiError 400."""
        text = self.text(name)
        if text in {None, "false"}:
            return False
        if text == "true":
            return True
        raise errors.bad_payload([(name, f"Invalid value at '{name}' (TYPE_BOOL), \"{text}\"")])

    def number(self, name: str) -> int:
        """A whole-number parameter, 0 without it. Raises ApiError 400."""
        text = self.text(name)
        try:
            return int(text or "0")
        except ValueError as error:
            raise errors.bad_payload([(name, f"Invalid value at '{name}' (TYPE_INT32), \"{text}\"")]) from error

    def read_sources(self) -> tuple[str, ...]:
        """`sources` of the query or the body, without repeats; contacts and profiles without it."""
        given = self.texts("sources") or self.body.get("sources") or []
        for source in given:
            if source not in READ_SOURCES:
                raise errors.bad_payload([("sources", f"Invalid value at 'sources' (TYPE_ENUM), \"{source}\"")])
        return tuple(sorted(set(given))) or ("READ_SOURCE_TYPE_CONTACT", "READ_SOURCE_TYPE_PROFILE")

    def read_fields(self) -> str | None:
        """`personFields`, or the older `requestMask.includeField` with its `person.` prefixes."""
        text = self.text("personFields")
        old = self.text("requestMask.includeField")
        if text is None and old is not None:
            return ",".join(path.strip().removeprefix("person.") for path in old.split(","))
        return text


def effective_method(request: Request) -> str:
    """The HTTP method, where a long GET came as POST with an override header too."""
    override = request.headers.get("x-http-method-override")
    return override.upper() if override and request.method == "POST" else request.method


async def read_query(request: Request) -> dict[str, list[str]]:
    """The query parameters, from the address and, for an overridden GET, from the form body."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if "x-http-method-override" in request.headers:
        if not request.headers.get("content-type", "").startswith(_FORM_TYPE):
            raise errors.invalid("A request with X-HTTP-Method-Override needs a form body.")
        pairs += parse_qsl((await request.body()).decode(), keep_blank_values=True)
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def check_query(query: dict[str, list[str]], allowed: frozenset[str]) -> None:
    """Nothing, or ApiError 400 for a parameter that the method does not have or that asks for another form."""
    for name in query:
        if name not in allowed and name not in STANDARD_QUERY:
            raise errors.unknown_query(name)
    if query.get("alt", ["json"])[-1] != "json":
        raise errors.invalid("The simulator answers alt=json alone.")


async def read_body(request: Request, operation: str) -> Json:
    """The JSON body, checked against the message of `operation`. Raises ApiError 400."""
    raw = await request.body()
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise errors.invalid("Invalid JSON payload received. The content type must be application/json.")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise errors.invalid(f"Invalid JSON payload received. {error}") from error
    return check_body(operation, value)
