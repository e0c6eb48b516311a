"""Google's own part of the control interface: accounts, and contacts edited as their owner would in the web page.

Quotas, rights and visibility for clients do not apply to these edits; etags, times, deltas and delays do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Command, ControlError, control_route, json_response, parse, read_command, read_json
from simulators.google.addressbook import MY_CONTACTS, AddressBook, Group, Owner
from simulators.google.errors import ApiError
from simulators.google.normalise import Fields, stored_fields
from simulators.google.render import PersonView, group_json
from simulators.google.schema import PERSON, READABLE, STORED, Json, violations
from simulators.google.settings import DEMO_CLIENT_ID
from simulators.google.simulator import GoogleSimulator, account_json, people_json
from simulators.google.visibility import Version

_SHOWN = PersonView(tuple(sorted(READABLE - {"photos"})), ("READ_SOURCE_TYPE_CONTACT",))
_GROUP_FIELDS = ("metadata", "groupType", "name", "memberCount", "clientData")
_NOT_FOUND = 404


class NewAccount(Command):
    """An account to open."""

    sub: str | None = None
    email: str
    region: str = "US"
    given_name: str = ""
    family_name: str = ""
    hosted_domain: str | None = None


class NewPeople(Command):
    """Contacts to add: Person messages, put into the groups of their memberships or else into the named ones."""

    people: list[dict[str, Any]]
    groups: list[str] = Field(default_factory=lambda: [f"contactGroups/{MY_CONTACTS}"])
    update_time: datetime | None = None


class Edit(Command):
    """New entries by field; null empties a field, fields not named stay."""

    fields: dict[str, list[dict[str, Any]] | None]


class EditOf(Edit):
    """An edit among many."""

    resource_name: str


class GroupMove(Command):
    """Groups to join and to leave."""

    add: list[str] = Field(default_factory=list)
    remove: list[str] = Field(default_factory=list)


class Merge(Command):
    """Two contacts to become one."""

    kept: str
    gone: str


class GroupName(Command):
    """Name of a group."""

    name: str


class NewToken(Command):
    """Tokens to issue without consent."""

    account: str
    scopes: list[str] = Field(default_factory=lambda: ["https://www.googleapis.com/auth/contacts"])
    client_id: str = DEMO_CLIENT_ID
    offline: bool = False
    lifetime_s: float | None = Field(default=None, gt=0)


class Revocation(Command):
    """A grant to end; without a client, all grants of the account."""

    account: str
    client_id: str | None = None


class GoogleControl:
    """The handlers; each answers with what it changed."""

    def __init__(self, simulator: GoogleSimulator) -> None:
        self._sim = simulator

    def routes(self) -> list[Route]:
        """Routes to mount at `/control` beside the common ones."""
        account = "/accounts/{account}"
        person, group = account + "/people/{person}", account + "/groups"
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/accounts", self.list_accounts),
            ("POST", "/accounts", self.add_account),
            ("GET", account, self.show_account),
            ("GET", account + "/people", self.list_people),
            ("POST", account + "/people", self.add_people),
            ("POST", account + "/people/edits", self.edit_people),
            ("POST", account + "/people/merge", self.merge_people),
            ("DELETE", account + "/trash", self.empty_trash),
            ("GET", person, self.show_person),
            ("PATCH", person, self.edit_person),
            ("DELETE", person, self.delete_person),
            ("POST", person + "/restore", self.restore_person),
            ("POST", person + "/rename", self.rename_person),
            ("POST", person + "/touch", self.touch_person),
            ("POST", person + "/groups", self.move_person),
            ("GET", group, self.list_groups),
            ("POST", group, self.add_group),
            ("PATCH", group + "/{group}", self.rename_group),
            ("DELETE", group + "/{group}", self.delete_group),
            ("GET", "/grants", self.list_grants),
            ("POST", "/grants/revoke", self.revoke_grant),
            ("POST", "/tokens", self.issue_token),
        ]
        return [control_route(path, [method], handle) for method, path, handle in table]

    # Accounts

    async def list_accounts(self, request: Request) -> Response:
        """Every account with its numbers."""
        del request
        return json_response({"accounts": [_summary(book) for book in self._sim.books.values()]})

    async def add_account(self, request: Request) -> Response:
        """Open an account."""
        command = await read_command(request, NewAccount)
        sub = command.sub or f"1{self._sim.bench.rng.randrange(10**19, 10**20)}"
        owner = Owner(
            sub, command.email, command.region, command.given_name, command.family_name, command.hosted_domain
        )
        try:
            book = self._sim.add_account(owner)
        except ValueError as error:
            raise ControlError("sub", str(error), 409) from error
        return json_response(_summary(book), 201)

    async def show_account(self, request: Request) -> Response:
        """The true state of one account."""
        return json_response(account_json(self._book(request)))

    async def empty_trash(self, request: Request) -> Response:
        """Delete for good."""
        book = self._book(request)
        gone = len(book.trash)
        book.trash.clear()
        return json_response({"deleted": gone})

    # People

    async def list_people(self, request: Request) -> Response:
        """The contacts as they truly are, optionally of one group (`?group=contactGroups/x`)."""
        book = self._book(request)
        name = request.query_params.get("group")
        numbers = self._group(book, name).members if name else book.contacts
        return json_response({"people": people_json(book.contacts[number] for number in numbers)})

    async def add_people(self, request: Request) -> Response:
        """Add contacts; nothing is added when one is wrong."""
        book, command = self._book(request), await read_command(request, NewPeople)
        common = [self._group(book, name).id for name in command.groups]
        if len(command.people) > book.room():
            raise ControlError("people", f"the account has room for {book.room()} more")
        drafts = []
        for index, person in enumerate(command.people):
            number = book.new_number()
            fields = _fields(book, person, f"{number:x}", f"people.{index}")
            groups = [self._group(book, name).id for name in _membership_names(person)] or common
            drafts.append((number, fields, groups))
        added = [book.create(number, fields, groups, command.update_time) for number, fields, groups in drafts]
        return json_response({"people": [_short(version) for version in added]}, 201)

    async def show_person(self, request: Request) -> Response:
        """One contact as it truly is."""
        return json_response(_SHOWN.person(self._person(request)[1], delta=True))

    async def edit_person(self, request: Request) -> Response:
        """Change fields of one contact."""
        book, version = self._person(request)
        command = await read_command(request, Edit)
        return json_response(_short(_edited(book, version, command)))

    async def edit_people(self, request: Request) -> Response:
        """Change fields of many contacts: a list of edits."""
        book, body = self._book(request), await read_json(request)
        commands = [parse(EditOf, item) for item in (body if isinstance(body, list) else [body])]
        found = [(self._named(book, command.resource_name), command) for command in commands]
        return json_response({"people": [_short(_edited(book, version, command)) for version, command in found]})

    async def delete_person(self, request: Request) -> Response:
        """Move one contact to the trash."""
        book, version = self._person(request)
        book.delete(version)
        return json_response(_short(version))

    async def restore_person(self, request: Request) -> Response:
        """Take one contact out of the trash."""
        book = self._book(request)
        number = book.number_of(f"people/{request.path_params['person']}")
        try:
            version = book.restore(-1 if number is None else number)
        except KeyError as error:
            raise ControlError("person", "not in the trash", _NOT_FOUND) from error
        return json_response(_short(version))

    async def rename_person(self, request: Request) -> Response:
        """Give one contact another resource name."""
        book, version = self._person(request)
        return json_response(_short(book.rename(version)))

    async def touch_person(self, request: Request) -> Response:
        """Move etag and update time without any change."""
        book, version = self._person(request)
        return json_response(_short(book.change(version)))

    async def move_person(self, request: Request) -> Response:
        """Put one contact into groups and take it out of others; without any it is in My Contacts."""
        book, version = self._person(request)
        command = await read_command(request, GroupMove)
        gone = {self._group(book, name).id for name in command.remove}
        kept = [group for group in version.groups if group not in gone]
        joined = [self._group(book, name).id for name in command.add]
        return json_response(_short(book.change(version, groups=[*kept, *joined])))

    async def merge_people(self, request: Request) -> Response:
        """Join one contact into another."""
        book, command = self._book(request), await read_command(request, Merge)
        kept, gone = self._named(book, command.kept), self._named(book, command.gone)
        if kept is gone:
            raise ControlError("gone", "two contacts are needed")
        return json_response(_short(book.merge(kept, gone)))

    # Groups

    async def list_groups(self, request: Request) -> Response:
        """All groups."""
        groups = [group for group in self._book(request).groups.values() if not group.deleted]
        return json_response({"groups": [group_json(group, _GROUP_FIELDS) for group in groups]})

    async def add_group(self, request: Request) -> Response:
        """Make a group."""
        book, command = self._book(request), await read_command(request, GroupName)
        self._check_free(book, command.name)
        return json_response(group_json(book.create_group(command.name, []), _GROUP_FIELDS), 201)

    async def rename_group(self, request: Request) -> Response:
        """Give a group another name."""
        book, command = self._book(request), await read_command(request, GroupName)
        group = self._own_group(book, request)
        if command.name != group.name:
            self._check_free(book, command.name)
        group.name = command.name
        book.touch_group(group)
        return json_response(group_json(group, _GROUP_FIELDS))

    async def delete_group(self, request: Request) -> Response:
        """Remove a group, with its contacts where `?delete_contacts=true` says so."""
        book = self._book(request)
        group = self._own_group(book, request)
        book.delete_group(group, with_contacts=request.query_params.get("delete_contacts") == "true")
        return json_response({"resourceName": group.resource_name})

    # Grants

    async def list_grants(self, request: Request) -> Response:
        """Consents and the numbers of their tokens."""
        del request
        return json_response({"grants": self._sim.authorization.as_json()})

    async def revoke_grant(self, request: Request) -> Response:
        """End a grant, as the user does on the page of connected applications."""
        command = await read_command(request, Revocation)
        ended = self._sim.authorization.revoke(self._account(command.account).owner.sub, command.client_id)
        return json_response({"tokens_ended": ended})

    async def issue_token(self, request: Request) -> Response:
        """An access token, and a refresh token where `offline`."""
        command = await read_command(request, NewToken)
        sub = self._account(command.account).owner.sub
        issued = self._sim.authorization.issue(
            command.client_id, sub, frozenset(command.scopes), offline=command.offline, lifetime_s=command.lifetime_s
        )
        answer: Json = {"access_token": issued.access.token, "sub": sub}
        if issued.refresh is not None:
            answer["refresh_token"] = issued.refresh.token
        return json_response(answer, 201)

    # Looking up

    def _account(self, name: str) -> AddressBook:
        book = self._sim.account(name)
        if book is None:
            raise ControlError("account", "no such account", _NOT_FOUND)
        return book

    def _book(self, request: Request) -> AddressBook:
        return self._account(request.path_params["account"])

    def _person(self, request: Request) -> tuple[AddressBook, Version]:
        book = self._book(request)
        return book, self._named(book, f"people/{request.path_params['person']}")

    @staticmethod
    def _named(book: AddressBook, resource_name: str) -> Version:
        version = book.find(resource_name)
        if version is None:
            raise ControlError("person", f"no such contact: {resource_name}", _NOT_FOUND)
        return version

    @staticmethod
    def _group(book: AddressBook, resource_name: str) -> Group:
        group = book.group(resource_name)
        if group is None:
            raise ControlError("group", f"no such group: {resource_name}", _NOT_FOUND)
        return group

    def _own_group(self, book: AddressBook, request: Request) -> Group:
        group = self._group(book, f"contactGroups/{request.path_params['group']}")
        if group.system:
            raise ControlError("group", "system groups cannot be changed")
        return group

    @staticmethod
    def _check_free(book: AddressBook, name: str) -> None:
        if book.group_named(name) is not None:
            raise ControlError("name", "a group of that name exists", 409)


def _summary(book: AddressBook) -> Json:
    owner = book.owner
    return {
        "sub": owner.sub,
        "email": owner.email,
        "region": owner.region,
        "people": len(book.contacts),
        "trash": len(book.trash),
    }


def _short(version: Version) -> Json:
    return {"resourceName": version.resource_name, "etag": version.etag}


def _fields(book: AddressBook, person: Json, source_id: str, where: str) -> Fields:
    """The contact's fields from a Person message. Raises ControlError."""
    wrong = violations(PERSON, person)
    if wrong:
        path, text = wrong[0]
        raise ControlError(f"{where}.{path}", text)
    try:
        return stored_fields(person, STORED, source_id, book.owner.region, singletons=False)
    except ApiError as error:
        raise ControlError(where, error.message) from error


def _membership_names(person: Json) -> list[str]:
    """Resource names of the groups in a Person message that was checked."""
    groups = [(each.get("contactGroupMembership") or {}) for each in person.get("memberships") or ()]
    return [group["contactGroupResourceName"] for group in groups if group.get("contactGroupResourceName")]


def _edited(book: AddressBook, version: Version, edit: Edit) -> Version:
    unknown = set(edit.fields) - STORED
    if unknown:
        raise ControlError("fields", f"not fields of a contact: {', '.join(sorted(unknown))}")
    given = {name: entries for name, entries in edit.fields.items() if entries is not None}
    fields = {name: entries for name, entries in version.fields.items() if name not in edit.fields}
    return book.change(version, fields=fields | _fields(book, given, version.source_id, "fields"))
