"""The official Python client against the simulator, every answer checked against Google's own discovery document."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import httplib2
import httpx2
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.http import HttpRequest
from jsonschema import Draft202012Validator

from simulators.google import GoogleSettings, create_app
from simulators.server import running

Json = dict[str, Any]

_TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"


@cache
def discovery_document() -> Json:
    """`people:v1` as the client package carries it."""
    folder = resources.files("googleapiclient.discovery_cache").joinpath("documents")
    document: Json = json.loads(folder.joinpath("people.v1.json").read_text(encoding="utf-8"))
    return document


def json_schema(spec: Json) -> Json:
    """A discovery schema as JSON Schema, closed: properties that it does not name are errors."""
    if "$ref" in spec:
        return {"$ref": f"#/$defs/{spec['$ref']}"}
    kind = spec["type"]
    if kind == "any":
        return {}
    if kind == "array":
        return {"type": "array", "items": json_schema(spec["items"])}
    if kind == "object":
        extra = spec.get("additionalProperties")
        properties = {name: json_schema(part) for name, part in spec.get("properties", {}).items()}
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": json_schema(extra) if extra else False,
        }
    schema: Json = {"type": kind}
    if "enum" in spec:
        schema["enum"] = spec["enum"]
    if spec.get("format") == "google-datetime":
        schema["pattern"] = _TIMESTAMP
    if spec.get("format") == "int32":
        schema |= {"minimum": -(2**31), "maximum": 2**31 - 1}
    return schema


def methods(resource: Json | None = None) -> dict[str, Json]:
    """Every method of the document by its id."""
    found: dict[str, Json] = {}
    for part in (resource or discovery_document()).get("resources", {}).values():
        found |= {method["id"]: method for method in part.get("methods", {}).values()}
        found |= methods(part)
    return found


@cache
def answer_validator(method_id: str) -> Draft202012Validator:
    """The check of a method's answer."""
    definitions = {name: json_schema(spec) for name, spec in discovery_document()["schemas"].items()}
    return Draft202012Validator(json_schema(methods()[method_id]["response"]) | {"$defs": definitions})


ERROR_VALIDATOR = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "additionalProperties": False,
                "required": ["code", "message", "status"],
                "properties": {
                    "code": {"type": "integer"},
                    "message": {"type": "string", "minLength": 1},
                    "status": {"type": "string", "pattern": "^[A-Z_]+$"},
                    "details": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["@type"],
                            "properties": {"@type": {"pattern": r"^type\.googleapis\.com/google\."}},
                        },
                    },
                    "errors": {"type": "array", "items": {"required": ["message", "domain", "reason"]}},
                },
            }
        },
    }
)
"""The error envelope of Google's APIs (google.rpc.Status over HTTP)."""


class CheckedHttp(httplib2.Http):  # type: ignore[misc]  # httplib2 has no types
    """A transport that remembers what came back, errors included."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Json] = []

    def request(self, uri: str, *args: Any, **kwargs: Any) -> tuple[httplib2.Response, bytes]:  # noqa: ANN401  as in the base
        """The base's request; an error answer of the API must be Google's envelope."""
        response, content = super().request(uri, *args, **kwargs)
        if "/v1/" in uri and response.status >= 400:
            failure = json.loads(content)
            ERROR_VALIDATOR.validate(failure)
            self.failures.append(failure)
        return response, content


def credentials(access_token: str, **others: object) -> Credentials:
    """google-auth's credentials of a user."""
    return Credentials(access_token, **others)  # type: ignore[no-untyped-call]  # google-auth has few types


class PeopleClient:
    """`googleapiclient`'s People service, pointed at a simulator."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.checked: list[str] = []
        self.http = CheckedHttp()

        def checked_request(http: Any, postproc: Any, *args: Any, **kwargs: Any) -> HttpRequest:  # noqa: ANN401  untyped
            def validated(response: Any, content: bytes) -> Any:  # noqa: ANN401  untyped
                answer_validator(kwargs["methodId"]).validate(json.loads(content))
                self.checked.append(kwargs["methodId"])
                return postproc(response, content)

            return HttpRequest(http, validated, *args, **kwargs)

        self.service = build(
            "people",
            "v1",
            http=AuthorizedHttp(credentials, http=self.http),
            client_options={"api_endpoint": url},
            static_discovery=True,
            requestBuilder=checked_request,
        )

    def people(self) -> Any:  # noqa: ANN401  untyped
        """The resource of that name."""
        return self.service.people()

    def groups(self) -> Any:  # noqa: ANN401  untyped
        """The resource contactGroups."""
        return self.service.contactGroups()

    def close(self) -> None:
        """Close the connections."""
        self.service.close()


class Simulator:
    """A running simulator and its control interface, for code that is not asynchronous."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx2.Client(base_url=url + "/control")
        self._clients: list[PeopleClient] = []

    def control(self, method: str, path: str, body: object = None) -> Json:
        """A control request that must succeed."""
        response = self._http.request(method, path, json=body)
        assert response.is_success, response.text
        answer: Json = response.json()
        return answer

    def settings(self, **changes: object) -> None:
        """Change settings."""
        self.control("POST", "/settings", changes)

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.control("POST", "/clock", {"advance_s": seconds})

    def add_account(self, sub: str = "1001", region: str = "FR") -> str:
        """Open an account; its sub."""
        self.control("POST", "/accounts", {"sub": sub, "email": f"user{sub}@example.com", "region": region})
        return sub

    def add_people(self, sub: str, people: list[Json], groups: list[str] | None = None) -> list[str]:
        """Add contacts as their owner would; their resource names."""
        body: Json = {"people": people} | ({"groups": groups} if groups else {})
        answer = self.control("POST", f"/accounts/{sub}/people", body)
        return [person["resourceName"] for person in answer["people"]]

    def client(self, sub: str = "1001", *scopes: str) -> PeopleClient:
        """The official client, with a token for `sub`."""
        body: Json = {"account": sub} | ({"scopes": list(scopes)} if scopes else {})
        token = self.control("POST", "/tokens", body)["access_token"]
        return self.client_with(credentials(token))

    def client_with(self, credentials: Credentials) -> PeopleClient:
        """The official client with these credentials."""
        self._clients.append(PeopleClient(self.url, credentials))
        return self._clients[-1]

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            client.close()
        self._http.close()


@contextmanager
def simulator(settings: GoogleSettings | None = None) -> Iterator[Simulator]:
    """A simulator served from a thread of its own, as the official client blocks."""
    urls: queue.Queue[str] = queue.Queue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with running(create_app(settings)) as url:
            urls.put(url)
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="google simulator")
    thread.start()
    found = Simulator(urls.get(timeout=10))
    try:
        yield found
    finally:
        found.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
