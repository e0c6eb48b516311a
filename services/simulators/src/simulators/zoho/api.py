"""What an endpoint of the simulated API gets and gives, and how it is described to the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.accounts import Consent
from simulators.zoho.errors import bad_body, invalid_module, invalid_param, no_permission, unauthorised
from simulators.zoho.fields import MODULES, FieldSet
from simulators.zoho.organisation import Organisation, User, permission
from simulators.zoho.records import RecordStore
from simulators.zoho.settings import ZohoSettings
from simulators.zoho.world import World

PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One authenticated call: who asks, what for, and when (`now` in whole seconds)."""

    world: World
    org: Organisation
    user: User
    consent: Consent
    params: Mapping[str, str]
    headers: Mapping[str, str]
    path: Mapping[str, str]
    body: Any
    now: int
    base_url: str
    operation: str
    shorten: Callable[[list[Any]], list[Any]] = list

    @property
    def settings(self) -> ZohoSettings:
        """The settings in force."""
        return self.world.settings

    @property
    def module(self) -> str:
        """The module that the path names, in its proper spelling; the vendor does not mind the case."""
        return module_named(self.path["module"])

    @property
    def store(self) -> RecordStore:
        """The records of that module."""
        return self.org.stores[self.module]

    @property
    def fields(self) -> FieldSet:
        """The fields of that module."""
        return self.org.fields[self.module]

    def until_cut(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The rows of a write one by one, until a fault cuts the connection."""
        return self.world.bench.faults.until_cut(self.operation, rows, self.consent.zgid)

    def require(self, *actions: str) -> None:
        """Refuse with NO_PERMISSION unless the profile grants every action on the module."""
        for action in actions:
            if not self.org.may(self.user, action, self.module):
                raise no_permission(permission(action, self.module))

    def require_scope(self, scope: str) -> None:
        """Refuse with OAUTH_SCOPE_MISMATCH unless the token was granted the scope."""
        if not granted(self.consent.scopes, scope):
            raise unauthorised("OAUTH_SCOPE_MISMATCH")

    def since(self) -> int | None:
        """The instant of If-Modified-Since, if it was sent; INVALID_DATA when it cannot be read."""
        text = self.headers.get("if-modified-since")
        if text is None:
            return None
        moment = times.parse(text)
        if moment is None:
            raise invalid_param("If-Modified-Since", expected_data_type="datetime")
        return moment

    def counts(self, since: int) -> Callable[[int], bool]:
        """Whether a change at a second counts as one since that instant, by the setting."""
        if self.settings.modified_since == "after":
            return lambda second: second > since
        return lambda second: second >= since

    def number(self, name: str, default: int, *, least: int = 1, most: int | None = None) -> int:
        """A whole-number parameter within its bounds; INVALID_DATA otherwise."""
        text = self.params.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or int(text) < least or (most is not None and int(text) > most):
            raise invalid_param(name, expected_data_type="int")
        return int(text)

    def rows_of_body(self, key: str = "data") -> list[Any]:
        """The list that a write carries; INVALID_DATA or MANDATORY_NOT_FOUND otherwise."""
        if not isinstance(self.body, dict):
            raise bad_body()
        rows = self.body.get(key)
        if not isinstance(rows, list):
            raise bad_body(expected_data_type="jsonarray", api_name=key, json_path=f"$.{key}")
        return rows


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers; `body` None sends none, bytes are sent as they are, the rest as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[ApiCall], Answer]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and method of the API.

    `scopes` holds alternatives for each needed scope: one of every group must be granted. `credits` and
    `heavy` ask the call; `name` may depend on it too (a list by view is counted apart).
    """

    method: str
    path: str
    handler: Handler
    name: str
    scopes: tuple[str, ...] = ()
    credits: Callable[[Mapping[str, str], Any], int] = lambda _params, _body: 1
    heavy: Callable[[Mapping[str, str], Any], bool] = lambda _params, _body: False
    mutation: bool = False
    weight: int = 1


def module_named(text: str) -> str:
    """The module's API name; INVALID_MODULE when the simulator has none such."""
    for name in MODULES:
        if name.lower() == text.lower():
            return name
    raise invalid_module()


def granted(scopes: frozenset[str], needed: str) -> bool:
    """Whether the scopes cover one like `ZohoCRM.modules.{contacts}.READ`.

    `.ALL` covers every operation, `.WRITE` create and update, and a shorter path (`ZohoCRM.modules.ALL`)
    the longer ones below it. Source: Zoho CRM API v8, "Scopes".
    """
    *path, operation = needed.lower().split(".")
    operations = {operation, "all"} | ({"write"} if operation in {"create", "update"} else set())
    held = {scope.lower() for scope in scopes}
    for length in range(len(path), 1, -1):
        prefix = ".".join(path[:length])
        if any(f"{prefix}.{one}" in held for one in operations):
            return True
    return False
