"""Records as the API shows them: asked fields alone, `null` for empty, times in the zone of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.criteria import full_name
from simulators.zoho.fields import LISTED_RICH_TEXT, Field
from simulators.zoho.organisation import Organisation, User
from simulators.zoho.records import Record

Shower = Callable[[Record], Any]
Renderer = Callable[[Record], dict[str, Any]]

SPECIAL: Final = ("$editable", "$approval_state", "$sharing_permission", "$locked_for_me", "$in_merge")


def renderer(org: Organisation, user: User, module: str, names: Iterable[str], *, listed: bool = False) -> Renderer:
    """A function that shows the named fields of a record and its id; unknown names are left out.

    A list shows the beginning of rich texts alone.
    """
    known = [name for name in names if name in org.fields[module].by_name or name in SPECIAL]
    # Most fields are shown as they are kept; a function call for each of them would make pages slow.
    showers = [(name, shower) for name in known if (shower := _shower(org, user, module, name, listed=listed))]

    def render(record: Record) -> dict[str, Any]:
        kept = record.values.get
        shown = {name: kept(name) for name in known}
        for name, show in showers:
            shown[name] = show(record)
        shown["id"] = record.id
        return shown

    return render


def _shower(org: Organisation, user: User, module: str, name: str, *, listed: bool) -> Shower | None:
    """How a field is shown that is not simply what the record keeps; None for the simple ones."""
    if name.startswith("$"):
        return _special(org, user, name)
    one = org.fields[module].by_name[name]
    if not one.visible:
        return lambda _record: None
    if listed and one.area == "rich_text":
        return lambda record: record.values.get(name, "")[:LISTED_RICH_TEXT] or None
    return _system(org, user, name) or _typed(org, user, one)


def _special(org: Organisation, user: User, name: str) -> Shower | None:
    showers: dict[str, Shower] = {
        "$editable": lambda record: org.edits(user, record),
        "$approval_state": lambda record: "approved" if record.approved else "approval_process_pending",
        "$sharing_permission": lambda record: "full_access" if org.edits(user, record) else "read_only",
        "$locked_for_me": lambda record: record.locked,
        "$in_merge": lambda _record: False,
    }
    return showers.get(name)


def _system(org: Organisation, user: User, name: str) -> Shower | None:
    zone = user.time_zone
    showers: dict[str, Shower] = {
        "id": lambda record: record.id,
        "Owner": lambda record: org.user_ref(record.owner) | {"email": email_of(org, record.owner)},
        "Created_By": lambda record: org.user_ref(record.created_by) | {"email": email_of(org, record.created_by)},
        "Modified_By": lambda record: org.user_ref(record.modified_by) | {"email": email_of(org, record.modified_by)},
        "Created_Time": lambda record: times.show(record.created, zone),
        "Modified_Time": lambda record: times.show(record.modified, zone),
        "Last_Activity_Time": lambda record: times.show(record.modified, zone),
        "Full_Name": lambda record: full_name(record) or None,
        "Locked__s": lambda record: record.locked,
        "Record_Status__s": lambda _record: "Available",
        "Record_Image": lambda _record: None,
    }
    return showers.get(name)


def _typed(org: Organisation, user: User, one: Field) -> Shower | None:
    name = one.api_name
    if one.data_type == "lookup":
        return lambda record: lookup(org, one, record.values.get(name))
    if one.data_type == "datetime":
        return lambda record: times.show(record.values[name], user.time_zone) if name in record.values else None
    if one.data_type == "boolean":
        return lambda record: record.values.get(name, False)
    return None


def lookup(org: Organisation, one: Field, target_id: str | None) -> dict[str, Any] | None:
    """The other record by name and id; None when nothing is linked or it is gone."""
    if target_id is None or one.lookup is None:
        return None
    target = org.stores[one.lookup].get(target_id)
    if target is None:
        return None
    return {"name": display_name(one.lookup, target), "id": target_id}


def display_name(module: str, record: Record) -> str:
    """What the CRM shows as the record's name."""
    return full_name(record) if module == "Contacts" else str(record.values.get("Account_Name", ""))


def email_of(org: Organisation, user_id: str) -> str | None:
    """The e-mail address of a user, None when he is gone."""
    user = org.users.get(user_id)
    return user.email if user else None
