"""The CRM's own part of the control interface, first half: applications, tokens, organisations, people, views, fields.

All bodies are strict; an unknown field is refused by name. Paths hang below `/control`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Protocol

from pydantic import Field as Rule
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Command, ControlError, control_route, json_response, read_command
from simulators.zoho import times
from simulators.zoho.accounts import ACCESS_LIFE_S, Client, Consent
from simulators.zoho.criteria import Compiler, CriteriaError
from simulators.zoho.fields import MODULES
from simulators.zoho.organisation import PERMISSIONS, CustomView, License, Organisation, Profile, User
from simulators.zoho.record_control import record_routes
from simulators.zoho.settings import DEMO_CLIENT_ID
from simulators.zoho.state import organisation_state
from simulators.zoho.world import DATA_CENTRES, World, custom_field

ALL_SCOPES = (
    "ZohoCRM.modules.ALL",
    "ZohoCRM.coql.READ",
    "ZohoCRM.settings.ALL",
    "ZohoCRM.users.READ",
    "ZohoCRM.org.READ",
    "ZohoCRM.notifications.ALL",
    "ZohoCRM.bulk.ALL",
    "ZohoCRM.composite_requests.CUSTOM",
    "ZohoSearch.securesearch.READ",
)
Edition = Literal["standard", "professional", "enterprise", "ultimate"]
Module = Literal["Contacts", "Accounts"]


class Holder(Protocol):
    """What holds the world; a reset puts another in its place."""

    world: World


class NewClient(Command):
    """Register an application."""

    id: str
    secret: str
    redirect_uris: list[str] = Rule(default_factory=list)
    secrets: dict[str, str] = Rule(default_factory=dict)
    multi_dc: bool = True


class NewToken(Command):
    """Issue tokens for a user without the browser's way."""

    user_id: str
    client_id: str = DEMO_CLIENT_ID
    scopes: list[str] = Rule(default_factory=lambda: list(ALL_SCOPES))


class RevokeGrants(Command):
    """End all grants of a user, as his account page would."""

    user_id: str


class NewUser(Command):
    """A member of an organisation; `profile` by name."""

    email: str
    first_name: str = ""
    last_name: str = "User"
    profile: str = "Administrator"
    time_zone: str = "UTC"


class ChangeUser(Command):
    """What an administrator changes on a user."""

    email: str | None = None
    profile: str | None = None
    time_zone: str | None = None
    active: bool | None = None


class NewOrganisation(Command):
    """A customer of the vendor with his first users; `edition` None is Free, or the trial's edition."""

    name: str = "Example Ltd"
    data_centre: str = "us"
    edition: Edition | None = "enterprise"
    trial: Edition | None = None
    user_licenses: int = Rule(default=5, ge=1)
    sharing: Literal["public", "private"] = "public"
    time_zone: str = "UTC"
    country: str = "US"
    kind: Literal["production", "sandbox", "developer"] = "production"
    users: list[NewUser] = Rule(default_factory=lambda: [NewUser(email="owner@example.com")])


class ChangeOrganisation(Command):
    """What may change later; an edition of `free` ends the licence."""

    name: str | None = None
    edition: Edition | Literal["free"] | None = None
    trial: Edition | Literal["none"] | None = None
    user_licenses: int | None = Rule(default=None, ge=1)
    sharing: Literal["public", "private"] | None = None


class NewProfile(Command):
    """A profile with every right but those named in `without`."""

    name: str
    without: list[str] = Rule(default_factory=list)


class ChangeProfile(Command):
    """Rights to grant and to take."""

    enable: list[str] = Rule(default_factory=list)
    disable: list[str] = Rule(default_factory=list)


class NewView(Command):
    """A list view; `owner` and `shared_to` are user ids."""

    module: Module = "Contacts"
    name: str
    criteria: dict[str, Any] | None = None
    sort_by: str | None = None
    sort_order: Literal["asc", "desc"] = "desc"
    access_type: Literal["public", "shared", "only_to_me"] = "public"
    owner: str | None = None
    shared_to: list[str] = Rule(default_factory=list)


class ChangeView(Command):
    """What its owner changes on a view; `criteria` {} selects everything."""

    name: str | None = None
    criteria: dict[str, Any] | None = None
    access_type: Literal["public", "shared", "only_to_me"] | None = None
    shared_to: list[str] | None = None


class NewField(Command):
    """A field of the organisation's own; without `api_name` it is made from the label."""

    module: Module = "Contacts"
    label: str
    data_type: str = "text"
    api_name: str | None = None
    length: int | None = Rule(default=None, ge=1)
    choices: list[str] = Rule(default_factory=list)
    strict: bool = False
    mandatory: bool = False
    unique: bool = False
    read_only: bool = False
    lookup: Module | None = None


class ChangeField(Command):
    """What an administrator changes on a field, standard ones included."""

    label: str | None = None
    length: int | None = Rule(default=None, ge=1)
    choices: list[str] | None = None
    strict: bool | None = None
    mandatory: bool | None = None
    unique: bool | None = None
    read_only: bool | None = None
    visible: bool | None = None


def zoho_control_routes(holder: Holder) -> list[Route]:
    """The routes to mount at `/control` beside the common ones."""
    setup = SetUp(holder)
    org = "/organisations/{zgid}"
    table: list[tuple[str, str, Any]] = [
        ("POST", "/clients", setup.add_client),
        ("POST", "/tokens", setup.issue_tokens),
        ("POST", "/tokens/revoke", setup.revoke_grants),
        ("POST", "/organisations", setup.add_organisation),
        ("GET", org, setup.show_organisation),
        ("PATCH", org, setup.change_organisation),
        ("POST", org + "/users", setup.add_user),
        ("PATCH", org + "/users/{id}", setup.change_user),
        ("POST", org + "/profiles", setup.add_profile),
        ("PATCH", org + "/profiles/{id}", setup.change_profile),
        ("POST", org + "/views", setup.add_view),
        ("PATCH", org + "/views/{id}", setup.change_view),
        ("DELETE", org + "/views/{id}", setup.delete_view),
        ("POST", org + "/fields", setup.add_field),
        ("PATCH", org + "/fields/{module}/{api_name}", setup.change_field),
        ("DELETE", org + "/fields/{module}/{api_name}", setup.delete_field),
        ("GET", "/notifications", setup.show_notifications),
    ]
    routes = [control_route(path, [method], act) for method, path, act in table]
    return [*routes, *record_routes(lambda: holder.world)]


def organisation_of(world: World, request: Request) -> Organisation:
    """The organisation that the path names. Raises ControlError."""
    org = world.organisations.get(request.path_params["zgid"])
    if org is None:
        raise ControlError("zgid", "no such organisation", 404)
    return org


class SetUp:
    """What an administrator of the vendor or of a customer does."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder

    @property
    def _world(self) -> World:
        return self._holder.world

    async def add_client(self, request: Request) -> Response:
        """Make an application known."""
        command = await read_command(request, NewClient)
        redirects = frozenset(command.redirect_uris)
        self._world.accounts.register(
            Client(command.id, command.secret, redirects, command.multi_dc, dict(command.secrets))
        )
        return json_response({"id": command.id})

    async def issue_tokens(self, request: Request) -> Response:
        """A refresh and an access token, with the addresses to use them at."""
        command = await read_command(request, NewToken)
        found = self._world.find_user(command.user_id)
        if found is None:
            raise ControlError("user_id", "no such user")
        if command.client_id not in self._world.accounts.clients:
            raise ControlError("client_id", "no such application")
        org, user = found
        consent = Consent(command.client_id, user.id, org.zgid, org.data_centre, frozenset(command.scopes))
        grant, access = self._world.accounts.issue(consent, self._world.bench.clock.now().timestamp())
        host = f"{request.url.scheme}://{request.url.netloc}"
        server = host if org.data_centre == "us" else f"{host}/{org.data_centre}"
        return json_response(
            {
                "access_token": access.token,
                "refresh_token": grant.refresh_token,
                "expires_in": ACCESS_LIFE_S,
                "api_domain": server,
                "accounts_server": server,
                "location": org.data_centre,
            }
        )

    async def revoke_grants(self, request: Request) -> Response:
        """End what a user granted."""
        command = await read_command(request, RevokeGrants)
        return json_response({"revoked": self._world.accounts.revoke_user(command.user_id)})

    async def add_organisation(self, request: Request) -> Response:
        """A new customer; the answer names all ids that a test needs."""
        command = await read_command(request, NewOrganisation)
        if command.data_centre not in DATA_CENTRES:
            raise ControlError("data_centre", f"one of {', '.join(DATA_CENTRES)} is needed")
        held = License(command.edition, command.trial, None, command.user_licenses)
        org = self._world.found(command.name, command.data_centre, held)
        org.sharing, org.time_zone, org.kind = command.sharing, command.time_zone, command.kind
        org.country = command.country
        for one in command.users:
            self._hire(org, one)
        return json_response(_described(org))

    async def show_organisation(self, request: Request) -> Response:
        """Its whole state, and the ids."""
        org = organisation_of(self._world, request)
        return json_response(organisation_state(self._world, org) | {"ids": _described(org)})

    async def change_organisation(self, request: Request) -> Response:
        """Name, licence and sharing."""
        org = organisation_of(self._world, request)
        command = await read_command(request, ChangeOrganisation)
        org.name = command.name or org.name
        org.sharing = command.sharing or org.sharing
        org.license.users = command.user_licenses or org.license.users
        if command.edition is not None:
            org.license.paid_type = None if command.edition == "free" else command.edition
        if command.trial is not None:
            org.license.trial_type = None if command.trial == "none" else command.trial
        return json_response(_described(org))

    async def add_user(self, request: Request) -> Response:
        """A new member."""
        org = organisation_of(self._world, request)
        user = self._hire(org, await read_command(request, NewUser))
        return json_response({"id": user.id, "email": user.email})

    async def change_user(self, request: Request) -> Response:
        """Address, profile, zone, active or not."""
        org = organisation_of(self._world, request)
        user = org.users.get(request.path_params["id"])
        if user is None:
            raise ControlError("id", "no such user", 404)
        command = await read_command(request, ChangeUser)
        user.email = command.email or user.email
        user.time_zone = _zone(command.time_zone or user.time_zone)
        if command.profile is not None:
            user.profile_id = _profile_named(org, command.profile).id
        if command.active is not None:
            user.active = command.active
        return json_response({"id": user.id, "email": user.email, "active": user.active})

    async def add_profile(self, request: Request) -> Response:
        """A new set of rights."""
        org = organisation_of(self._world, request)
        command = await read_command(request, NewProfile)
        profile = Profile(org.new_id(), command.name, set(PERMISSIONS) - set(_rights(command.without)))
        org.profiles[profile.id] = profile
        return json_response({"id": profile.id, "name": profile.name})

    async def change_profile(self, request: Request) -> Response:
        """Grant and take rights; the path names the profile by id or name."""
        org = organisation_of(self._world, request)
        wanted = request.path_params["id"]
        profile = org.profiles.get(wanted) or _profile_named(org, wanted)
        command = await read_command(request, ChangeProfile)
        profile.enabled |= set(_rights(command.enable))
        profile.enabled -= set(_rights(command.disable))
        return json_response({"id": profile.id, "enabled": sorted(profile.enabled)})

    async def add_view(self, request: Request) -> Response:
        """A new list view."""
        org = organisation_of(self._world, request)
        command = await read_command(request, NewView)
        owner = command.owner or next(iter(org.users), None)
        view = CustomView(org.new_id(), command.module, command.name, command.criteria, owner=owner)
        view.sort_by, view.sort_order = command.sort_by, command.sort_order
        view.access_type, view.shared_to = command.access_type, tuple(command.shared_to)
        view.created = view.modified = self._world.now
        _refuse_senseless(org, view)
        org.views[view.id] = view
        return json_response({"id": view.id, "name": view.name})

    async def change_view(self, request: Request) -> Response:
        """Another name, other criteria, other readers."""
        org = organisation_of(self._world, request)
        view = _view(org, request)
        command = await read_command(request, ChangeView)
        changed = replace(view, name=command.name or view.name, version=view.version + 1, modified=self._world.now)
        if command.criteria is not None:
            changed.criteria = command.criteria or None
        changed.access_type = command.access_type or view.access_type
        if command.shared_to is not None:
            changed.shared_to = tuple(command.shared_to)
        _refuse_senseless(org, changed)
        org.views[view.id] = changed
        return json_response({"id": view.id, "name": changed.name})

    async def delete_view(self, request: Request) -> Response:
        """Remove a list view."""
        org = organisation_of(self._world, request)
        del org.views[_view(org, request).id]
        return json_response({"deleted": request.path_params["id"]})

    async def add_field(self, request: Request) -> Response:
        """A custom field."""
        org = organisation_of(self._world, request)
        command = await read_command(request, NewField)
        values = command.model_dump(exclude={"module"})
        try:
            one = custom_field(org, command.module, **values)
        except ValueError as error:
            raise ControlError("data_type", str(error)) from error
        return json_response({"id": one.id, "api_name": one.api_name})

    async def change_field(self, request: Request) -> Response:
        """Length, choices and flags of a field."""
        org = organisation_of(self._world, request)
        fields, one = _field(org, request)
        command = await read_command(request, ChangeField)
        changes = command.model_dump(exclude_none=True)
        if "choices" in changes:
            changes["choices"] = tuple(changes["choices"])
        fields.put(replace(one, **changes))
        return json_response({"id": one.id, "api_name": one.api_name})

    async def delete_field(self, request: Request) -> Response:
        """Remove a field; views that use it stop making sense."""
        org = organisation_of(self._world, request)
        fields, one = _field(org, request)
        del fields.by_name[one.api_name]
        return json_response({"deleted": one.api_name})

    async def show_notifications(self, request: Request) -> Response:
        """Callbacks that were sent or lost, oldest first, once none is under way."""
        del request
        await self._world.channels.idle()
        return json_response({"deliveries": list(self._world.channels.outcomes)})

    def _hire(self, org: Organisation, command: NewUser) -> User:
        profile, role = _profile_named(org, command.profile), next(iter(org.roles))
        zone = _zone(command.time_zone)
        user_id = org.new_id()
        names = (command.first_name, command.last_name)
        user = User(user_id, f"7{user_id[-8:]}", command.email, *names, profile.id, role, zone)
        org.users[user.id] = user
        return user


def _described(org: Organisation) -> dict[str, Any]:
    views: dict[str, dict[str, str]] = {module: {} for module in MODULES}
    for one in org.views.values():
        views[one.module][one.name] = one.id
    return {
        "zgid": org.zgid,
        "id": org.id,
        "data_centre": org.data_centre,
        "users": [{"id": one.id, "email": one.email} for one in org.users.values()],
        "profiles": {one.name: one.id for one in org.profiles.values()},
        "views": views,
    }


def _profile_named(org: Organisation, name: str) -> Profile:
    for one in org.profiles.values():
        if one.name == name:
            return one
    raise ControlError("profile", f"no profile is called {name}")


def _rights(names: list[str]) -> list[str]:
    unknown = sorted(set(names) - set(PERMISSIONS))
    if unknown:
        raise ControlError("permissions", f"unknown: {', '.join(unknown)}")
    return names


def _zone(name: str) -> str:
    try:
        times.zone(name)
    except (KeyError, ValueError) as error:
        raise ControlError("time_zone", f"{name} is no IANA zone") from error
    return name


def _view(org: Organisation, request: Request) -> CustomView:
    view = org.views.get(request.path_params["id"])
    if view is None:
        raise ControlError("id", "no such view", 404)
    return view


def _refuse_senseless(org: Organisation, view: CustomView) -> None:
    try:
        Compiler(org.fields[view.module], view.owner or "").predicate(view.criteria)
    except (CriteriaError, KeyError, TypeError, ValueError) as error:
        raise ControlError("criteria", f"make no sense: {error}") from error


def _field(org: Organisation, request: Request) -> tuple[Any, Any]:
    fields = org.fields.get(request.path_params["module"])
    one = None if fields is None else fields.get(request.path_params["api_name"])
    if fields is None or one is None:
        raise ControlError("api_name", "no such field", 404)
    return fields, one
