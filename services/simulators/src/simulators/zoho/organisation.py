"""An organisation of the simulated CRM: its people, rights, views, fields and records."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulators.zoho.criteria import Compiler, getter
from simulators.zoho.fields import MODULES, FieldSet
from simulators.zoho.records import Record, RecordStore

ACTIONS: Final = ("View", "Create", "Edit", "Delete")
API_ACCESS: Final = "Crm_Implied_Api_Access"
GOOGLE_SYNC: Final = "Crm_Implied_Gcontact_Sync"
PROFILE_READ: Final = "Crm_Implied_Manage_Profiles"
PERMISSIONS: Final = (
    *(f"Crm_Implied_{action}_{module}" for module in MODULES for action in ACTIONS),
    API_ACCESS,
    GOOGLE_SYNC,
    PROFILE_READ,
)
Sharing = Literal["public", "private"]
Order = tuple[str, Literal["asc", "desc"]]
_KEPT_ANSWERS: Final = 16


def permission(action: str, module: str) -> str:
    """The name of a profile's right to an action on a module."""
    return f"Crm_Implied_{action}_{module}"


@dataclass(slots=True)
class Profile:
    """A named set of rights."""

    id: str
    name: str
    enabled: set[str] = field(default_factory=lambda: set(PERMISSIONS))
    administrator: bool = False


@dataclass(slots=True)
class Role:
    """A place in the hierarchy; the simulator gives it no effect."""

    id: str
    name: str


@dataclass(slots=True)
class User:
    """A member of the organisation."""

    id: str
    zuid: str
    email: str
    first_name: str
    last_name: str
    profile_id: str
    role_id: str
    time_zone: str = "UTC"
    active: bool = True

    @property
    def full_name(self) -> str:
        """Given and family name."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(slots=True)
class CustomView:
    """A list view: stored criteria, sort order, and who may use it."""

    id: str
    module: str
    name: str
    criteria: dict[str, Any] | None = None
    system_name: str | None = None
    sort_by: str | None = None
    sort_order: Literal["asc", "desc"] = "desc"
    owner: str | None = None
    access_type: Literal["public", "shared", "only_to_me"] = "public"
    shared_to: tuple[str, ...] = ()
    default: bool = False
    fields: tuple[str, ...] = ("Full_Name", "Account_Name", "Email", "Phone")
    created: int = 0
    modified: int = 0
    version: int = 0

    def visible_to(self, user: User) -> bool:
        """Whether that user may list by this view."""
        return self.access_type == "public" or self.owner == user.id or user.id in self.shared_to


@dataclass(slots=True)
class License:
    """What decides rights to credits and concurrency; `paid_type` None is Free or a trial."""

    paid_type: str | None = "enterprise"
    trial_type: str | None = None
    trial_expiry: str | None = None
    users: int = 5

    @property
    def edition(self) -> str:
        """The edition whose limits apply: the paid one, else that of a running trial, else free."""
        return self.paid_type or self.trial_type or "free"


@dataclass(slots=True)
class Usage:
    """Credits spent, by minute, and calls under way, by application."""

    spent: OrderedDict[int, int] = field(default_factory=OrderedDict)
    running: dict[str, int] = field(default_factory=dict)
    heavy: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Organisation:
    """One tenant of the CRM, living in one data centre."""

    id: str
    zgid: str
    name: str
    data_centre: str
    license: License = field(default_factory=License)
    sharing: Sharing = "public"
    time_zone: str = "UTC"
    country: str = "US"
    kind: Literal["production", "sandbox", "developer"] = "production"
    users: dict[str, User] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    views: dict[str, CustomView] = field(default_factory=dict)
    fields: dict[str, FieldSet] = field(default_factory=dict)
    stores: dict[str, RecordStore] = field(default_factory=dict)
    module_ids: dict[str, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    workflow_starts: int = 0
    cadence_starts: int = 0
    _next_id: int = 0
    _answers: OrderedDict[Hashable, list[Record]] = field(default_factory=OrderedDict)

    def new_id(self) -> str:
        """The next 19-digit id of this organisation; later ones are greater."""
        new, self._next_id = self._next_id, self._next_id + 1
        return str(new)

    def start_ids(self, at: int) -> None:
        """Let ids begin there; called once, when the organisation is made."""
        self._next_id = at

    def profile_of(self, user: User) -> Profile:
        """The rights of that user."""
        return self.profiles[user.profile_id]

    def may(self, user: User, action: str, module: str) -> bool:
        """Whether the user's profile grants the action on the module."""
        return permission(action, module) in self.profile_of(user).enabled

    def sees(self, user: User, record: Record) -> bool:
        """Record-level sharing: public organisations show all, private ones the owner's alone."""
        if user.id in record.hidden_from:
            return False
        return self.sharing == "public" or record.owner == user.id or self.profile_of(user).administrator

    def edits(self, user: User, record: Record) -> bool:
        """Whether the user may change or delete a record that he sees."""
        return self.sees(user, record) and user.id not in record.read_only_for

    def rows(
        self, module: str, user: User, now: int, view: CustomView | None = None, order: Order | None = None
    ) -> list[Record]:
        """What listings show that user of the module or of a view; highest id first, or in that order.

        Evaluations are kept until the module, the view or the sharing changes.
        """
        store = self.stores[module]

        def evaluate() -> list[Record]:
            rows = self._select(store.listed(now), module, user, view)
            return rows if order is None else self._sorted(rows, module, order)

        return self.kept(module, now, (user.id, self.sharing, view and (view.id, view.version), order), evaluate)

    def kept(self, module: str, now: int, question: Hashable, answer: Callable[[], list[Record]]) -> list[Record]:
        """The answer to a question about the module's records, computed once for each state of them."""
        store = self.stores[module]
        if not store.settled(now):
            return answer()
        key = (module, store.revision, question)
        if key not in self._answers:
            self._answers[key] = answer()
            while len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return self._answers[key]

    def visible(self, user: User, rows: list[Record]) -> list[Record]:
        """Those of the rows that the user may see."""
        return [one for one in rows if self.sees(user, one)]

    def selector(self, module: str, user: User, view: CustomView) -> Callable[[Record], bool]:
        """The question that the view asks of a record, for that user."""
        return Compiler(self.fields[module], user.id).predicate(view.criteria)

    def user_ref(self, user_id: str) -> dict[str, Any]:
        """A user as records name him; one who was removed has no name any more."""
        user = self.users.get(user_id)
        return {"name": user.full_name if user else None, "id": user_id}

    def _select(self, rows: list[Record], module: str, user: User, view: CustomView | None) -> list[Record]:
        shown = [one for one in rows if self.sees(user, one)]
        if view is None:
            return shown
        wanted = self.selector(module, user, view)
        return [one for one in shown if wanted(one)]

    def _sorted(self, rows: list[Record], module: str, order: Order) -> list[Record]:
        api_name, direction = order
        one = self.fields[module].get(api_name)
        if one is None:
            return rows
        get = getter(one)
        filled = [record for record in rows if get(record) is not None]
        empty = [record for record in rows if get(record) is None]
        # Rows come with the highest id first, and a stable sort keeps that among equals.
        filled.sort(key=get, reverse=direction == "desc")
        return [*filled, *empty]
