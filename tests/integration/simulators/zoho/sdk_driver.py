"""Drives a CRM at an address with Zoho's own SDK for v8 and prints, as one JSON object, what it understood.

A process of its own, since the SDK keeps global state: `sdk_driver.py URL CODE CLIENT_ID SECRET REDIRECT VIEW FOLDER`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.file_store import FileStore
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, Initializer, ParameterMap, SDKConfig
from zohocrmsdk.src.com.zoho.crm.api.coql import BodyWrapper as CoqlBody
from zohocrmsdk.src.com.zoho.crm.api.coql import CoqlOperations
from zohocrmsdk.src.com.zoho.crm.api.custom_views import CustomViewsOperations, GetCustomViewsParam
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.fields import FieldsOperations, GetFieldsParam
from zohocrmsdk.src.com.zoho.crm.api.org import OrgOperations
from zohocrmsdk.src.com.zoho.crm.api.profiles import ProfilesOperations
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    DeleteRecordsParam,
    GetDeletedRecordsParam,
    GetRecordsHeader,
    GetRecordsParam,
    Record,
    RecordOperations,
    SuccessResponse,
)
from zohocrmsdk.src.com.zoho.crm.api.users import GetUsersParam, UsersOperations

Json = Any


def parameters(**values: Json) -> Callable[[type], ParameterMap]:
    """The values as a parameter map of an operation's parameter class."""

    def made(names: type) -> ParameterMap:
        given = ParameterMap()
        for name, value in values.items():
            given.add(getattr(names, name), value)
        return given

    return made


def rows(response: Json) -> list[dict[str, Any]]:
    """Records of an answer by their values; an error object as one entry with its code."""
    shown = response.get_object()
    if hasattr(shown, "get_code"):
        return [{"error": shown.get_code().get_value(), "details": shown.get_details()}]
    return [] if shown is None else [plain(one) for one in shown.get_data()]


def plain(record: Json) -> dict[str, Any]:
    """A record's values as JSON can hold them."""
    values = record.get_key_values()
    return {name: value.isoformat() if isinstance(value, datetime) else shown(value) for name, value in values.items()}


def shown(value: Json) -> Json:
    """A choice by its value, a linked record by its id."""
    if hasattr(value, "get_value"):
        return value.get_value()
    return str(value.get_id()) if hasattr(value, "get_id") else value


def items(response: Json) -> list[dict[str, Any]]:
    """The answers to a write, one by one."""
    answered = response.get_object()
    if hasattr(answered, "get_code"):
        return [{"code": answered.get_code().get_value()}]
    found = []
    for one in answered.get_data():
        details = one.get_details()
        entry = {
            "ok": isinstance(one, SuccessResponse),
            "code": one.get_code().get_value(),
            "id": str(details.get("id")),
        }
        if not entry["ok"]:
            entry["api_name"] = details.get("api_name")
        found.append(entry)
    return found


def body(*records: dict[str, Any]) -> BodyWrapper:
    """A write without automation."""
    data = []
    for values in records:
        record = Record()
        for name, value in values.items():
            if name == "id":
                record.set_id(int(value))
            else:
                record.add_key_value(name, value)
        data.append(record)
    wrapped = BodyWrapper()
    wrapped.set_data(data)
    wrapped.set_trigger([])
    return wrapped


class Session:
    """One signed-in user of the SDK."""

    def __init__(self, url: str, code: str, client: tuple[str, str, str], folder: str) -> None:
        environment = DataCenter.Environment(url, f"{url}/oauth/v2/token", url)
        client_id, secret, redirect = client
        self.token = OAuthToken(client_id=client_id, client_secret=secret, grant_token=code, redirect_url=redirect)
        store, config = FileStore(f"{folder}/tokens.txt"), SDKConfig(auto_refresh_fields=False)
        Initializer.initialize(environment, self.token, store=store, sdk_config=config, resource_path=folder)
        self.contacts = RecordOperations("Contacts")

    def about(self) -> dict[str, Any]:
        """User, organisation, fields, views and profile, as the SDK reads them."""
        user = UsersOperations().get_users(parameters(type="CurrentUser")(GetUsersParam)).get_object().get_users()[0]
        org = OrgOperations().get_organization().get_object().get_org()[0]
        fields = FieldsOperations().get_fields(parameters(module="Contacts")(GetFieldsParam)).get_object().get_fields()
        views = CustomViewsOperations().get_custom_views(parameters(module="Contacts")(GetCustomViewsParam))
        profile = ProfilesOperations().get_profile(user.get_profile().get_id()).get_object().get_profiles()[0]
        return {
            "user": user.get_email(),
            "zgid": str(org.get_zgid()),
            "paid_type": org.get_license_details().get_paid_type(),
            "fields": {one.get_api_name(): one.get_data_type() for one in fields},
            "views": [one.get_name() for one in views.get_object().get_custom_views()],
            "rights": sorted(one.get_name() for one in profile.get_permissions_details() if one.get_enabled()),
        }

    def listing(self, **more: Json) -> dict[str, Any]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        token, pages = None, 0
        while True:
            asked = dict(fields="id,Last_Name,Email,Modified_Time,Account_Name", per_page=200, **more)
            if token is not None:
                asked["page_token"] = token
            response = self.contacts.get_records(parameters(**asked)(GetRecordsParam))
            found.extend(rows(response))
            pages += 1
            info = response.get_object().get_info()
            if not info.get_more_records():
                return {"rows": len(found), "ids": len({one["id"] for one in found}), "pages": pages, "first": found[0]}
            token = info.get_next_page_token()

    def changed_since(self, moment: datetime) -> dict[str, Any]:
        """Status and records of a list by If-Modified-Since."""
        headers = HeaderMap()
        headers.add(GetRecordsHeader.if_modified_since, moment)
        asked = parameters(fields="id,Last_Name,Modified_Time")(GetRecordsParam)
        response = self.contacts.get_records(asked, headers)
        return {
            "status": response.get_status_code(),
            "rows": [] if response.get_status_code() == 304 else rows(response),
        }

    def query(self, text: str) -> Json:
        """Records that COQL finds."""
        asked = CoqlBody()
        asked.set_select_query(text)
        return rows(CoqlOperations().get_records(asked))

    def deleted(self) -> list[dict[str, str]]:
        """Ids and kinds of the deleted list."""
        answer = self.contacts.get_deleted_records(parameters(type="all")(GetDeletedRecordsParam)).get_object()
        return [{"id": str(one.get_id()), "type": one.get_type()} for one in answer.get_data()]


def converse(session: Session, view: str) -> dict[str, Any]:
    """What the SDK made of every answer, by step."""
    contacts = session.contacts
    said: dict[str, Any] = {"about": session.about()}
    said["all"] = session.listing()
    said["view"] = session.listing(cvid=view)
    created = contacts.create_records(body({"Last_Name": "Ångström", "Email": "sdk@example.com"}, {"Email": "bad"}))
    said["created"] = {"status": created.get_status_code(), "items": items(created)}
    new_id = said["created"]["items"][0]["id"]
    updated = contacts.update_records(
        body({"id": new_id, "Phone": "+49 89 123456"}, {"id": "1234567890123456789", "Phone": "1"})
    )
    said["updated"] = {"status": updated.get_status_code(), "items": items(updated)}
    upserted = contacts.upsert_records(body({"Last_Name": "Ångström", "Email": "SDK@example.com", "Title": "CEO"}))
    said["upserted"] = {"status": upserted.get_status_code(), "items": items(upserted)}
    said["one"] = rows(contacts.get_record(int(new_id)))[0]
    said["changes"] = session.changed_since(datetime.now(UTC) - timedelta(hours=1))
    said["no_changes"] = session.changed_since(datetime.now(UTC) + timedelta(hours=1))["status"]
    said["query"] = session.query("select id, Last_Name, Email from Contacts where Email = 'sdk@example.com'")
    said["wrong_query"] = session.query("select id from")
    removed = contacts.delete_records(parameters(ids=new_id, wf_trigger=False)(DeleteRecordsParam))
    said["removed"] = {"status": removed.get_status_code(), "items": items(removed)}
    said["deleted"] = session.deleted()
    said["gone"] = contacts.get_record(int(new_id)).get_status_code()
    said["no_fields"] = rows(contacts.get_records(ParameterMap()))
    return said


if __name__ == "__main__":
    address, grant, *application, view_id, home = sys.argv[1:]
    session = Session(address, grant, (application[0], application[1], application[2]), home)
    sys.stdout.write(json.dumps(converse(session, view_id), default=str))
