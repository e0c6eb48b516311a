"""Creating, changing and deleting records, each with the vendor's answer for every single one.

Sources: Zoho CRM API v8, "Insert records", "Update records", "Upsert records", "Delete records", "Status codes".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from simulators.zoho import automation, times
from simulators.zoho.api import Answer, ApiCall
from simulators.zoho.automation import Automation
from simulators.zoho.errors import (
    ItemError,
    ZohoError,
    bad_body,
    bad_id,
    invalid_param,
    limit_exceeded,
    missing_param,
    several,
)
from simulators.zoho.fields import SYSTEM_DUPLICATE_FIELDS, Field
from simulators.zoho.jsonvalue import Json
from simulators.zoho.records import Record
from simulators.zoho.values import kept

AT_ONCE: Final = 100
_IGNORED_KEYS: Final = frozenset({"id", "Layout", "$append_values", "$approved", "Tag"})
Item = dict[str, Any]


def insert(call: ApiCall) -> Answer:
    """`POST /{module}`: a record for every entry, in order; a repeated call creates again."""
    call.require("Create")
    rows = _rows(call)
    rules = automation.of_body(call.body, "insert")
    return _answered(_each(_insert_one, call, rows, rules), 201)


def update(call: ApiCall) -> Answer:
    """`PUT /{module}` with an id in every entry, or `PUT /{module}/{id}` with one entry."""
    call.require("Edit")
    rows = _rows(call)
    if "id" in call.path:
        if len(rows) != 1 or not isinstance(rows[0], dict):
            raise limit_exceeded(maximum_length=1, api_name="data")
        rows = [{**rows[0], "id": call.path["id"]}]
    rules = automation.of_body(call.body, "update")
    limit = _unmodified_since(call)
    moved = _first_moved(call, rows, limit)
    if moved is not None:
        return Answer(412, {"data": [_already_modified(call, moved)]})
    return _answered(_each(_update_one, call, rows, rules, limit), 200)


def upsert(call: ApiCall) -> Answer:
    """`POST /{module}/upsert`: updates the record that shares a duplicate-check field, else inserts."""
    call.require("Create", "Edit")
    rows = _rows(call)
    checks = _duplicate_checks(call)
    limit = _unmodified_since(call)
    return _answered(_each(_upsert_one, call, rows, checks, limit), 200)


def delete(call: ApiCall) -> Answer:
    """`DELETE /{module}?ids=` or `DELETE /{module}/{id}`: into the recycle bin."""
    call.require("Delete")
    rules = Automation(workflow=call.params.get("wf_trigger", "true").lower() != "false", cadences=False)
    if "id" in call.path:
        ids = [call.path["id"]]
    else:
        ids = [one.strip() for one in call.params.get("ids", "").split(",") if one.strip()]
        if not ids:
            raise missing_param("ids")
    if not all(one.isdigit() for one in ids):
        details = {"param_name": "ids", "expected_data_type": "bigint"}
        raise ZohoError(
            400, "UNABLE_TO_PARSE_DATA_TYPE", "either the request body or parameters is in wrong format", details
        )
    if len(ids) > AT_ONCE:
        raise limit_exceeded(limit=AT_ONCE, param_name="ids")
    return _answered(_each(_delete_one, call, ids, rules), 200)


def _rows(call: ApiCall) -> list[Any]:
    rows = call.rows_of_body()
    if not rows:
        raise bad_body(expected_data_type="jsonarray", api_name="data", json_path="$.data")
    if len(rows) > AT_ONCE:
        raise limit_exceeded(maximum_length=AT_ONCE, api_name="data", json_path="$.data")
    return rows


def _each(act: Callable[..., Item], call: ApiCall, rows: Sequence[Any], *more: Json) -> list[Item]:
    """The answer for each row, in order."""
    return [_attempt(act, call, row, number, *more) for number, row in enumerate(call.until_cut(rows))]


def _attempt(act: Callable[..., Item], call: ApiCall, row: Json, number: int, *more: Json) -> Item:
    try:
        return act(call, row, f"$.data[{number}]", *more)
    except ItemError as problem:
        return problem.body()


def _answered(items: Sequence[Item], good: int) -> Answer:
    """All good, mixed (207), all failed (400) or all changed meanwhile (412), decided by the items."""
    failed = [item["code"] for item in items if item["status"] == "error"]
    if not failed:
        status = good
    elif len(failed) < len(items):
        status = 207
    else:
        status = 412 if set(failed) == {"ALREADY_MODIFIED"} else 400
    return Answer(status, {"data": list(items)})


def _insert_one(call: ApiCall, row: Json, path: str, rules: Automation) -> Item:
    values = _checked(call, row, path, creating=True)
    owner = values.pop("Owner", None) or call.user.id
    _refuse_duplicates(call, values, path, except_id=None)
    record = Record(call.org.new_id(), {}, owner, call.user.id, call.user.id, call.now, call.now)
    record.approved = row.get("$approved") is not False
    _store(call, record, values, rules)
    call.world.channels.notify(call.org, call.module, "insert", record, list(values), call.base_url)
    details = _stamp(call, record) | {"$approval_state": "approved" if record.approved else "approval_process_pending"}
    return {"code": "SUCCESS", "details": details, "message": "record added", "status": "success"}


def _update_one(call: ApiCall, row: Json, path: str, rules: Automation, limit: int | None) -> Item:
    if not isinstance(row, dict):
        raise ItemError("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path})
    if row.get("id") is None:
        details = {"api_name": "id", "json_path": f"{path}.id"}
        raise ItemError("MANDATORY_NOT_FOUND", "required field not found", details)
    record = _writable(call, str(row["id"]), f"{path}.id")
    if limit is not None and record.modified > limit:
        return _already_modified(call, record)
    values = _checked(call, row, path, creating=False)
    _refuse_duplicates(call, values, path, except_id=record.id)
    changed = record.copy()
    if values.get("Owner"):
        changed.owner = values["Owner"]
    values.pop("Owner", None)
    changed.modified, changed.modified_by = call.now, call.user.id
    _store(call, changed, values, rules)
    call.world.channels.notify(call.org, call.module, "update", changed, list(values), call.base_url)
    return {"code": "SUCCESS", "details": _stamp(call, changed), "message": "record updated", "status": "success"}


def _upsert_one(call: ApiCall, row: Json, path: str, checks: list[str], limit: int | None) -> Item:
    if not isinstance(row, dict):
        raise ItemError("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path})
    matched: str | None = None
    target: str | None = str(row["id"]) if row.get("id") is not None else None
    if target is None:
        for name in checks:
            holders = call.store.holders(name, row[name]) if row.get(name) else []
            if holders:
                matched, target = name, holders[0].id
                break
    action = "insert" if target is None else "update"
    rules = automation.of_body(call.body, action)
    if target is None:
        item = _insert_one(call, row, path, rules)
    else:
        item = _update_one(call, {**row, "id": target}, path, rules, limit)
    return item | {"action": action, "duplicate_field": matched} if item["status"] == "success" else item


def _delete_one(call: ApiCall, record_id: str, path: str, rules: Automation) -> Item:
    del path  # the ids of a delete stand in the query, which has no JSON path
    record = call.store.get(record_id)
    if record is None or not call.org.sees(call.user, record):
        raise ItemError("INVALID_DATA", "record not deleted", {"id": record_id})
    _refuse_unwritable(call, record, "id")
    call.store.remove(record_id, by=call.user.id, now=call.now)
    rules.run(call, record)
    call.world.channels.notify(call.org, call.module, "delete", record, [], call.base_url)
    return {"code": "SUCCESS", "details": {"id": record_id}, "message": "record deleted", "status": "success"}


def _checked(call: ApiCall, row: Json, path: str, *, creating: bool) -> dict[str, Any]:
    """The sent values as they are kept, None for what is emptied; ItemError with all that is wrong."""
    if not isinstance(row, dict):
        raise ItemError("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path})
    values: dict[str, Any] = {}
    problems: list[ItemError] = []
    for name, value in row.items():
        if name in _IGNORED_KEYS or name.startswith("$"):
            continue
        one = call.fields.get(name)
        try:
            if one is None:
                _refuse_unknown(call, name, path)
            elif not one.read_only:
                values[name] = _appended(call, row, one, kept(call.org, one, value, f"{path}.{name}"))
        except ItemError as problem:
            problems.append(problem)
    problems.extend(_missing(call, values, row, path, creating=creating))
    if problems:
        raise several(problems)
    return values


def _refuse_unknown(call: ApiCall, name: str, path: str) -> None:
    if call.settings.unknown_fields == "refuse":
        details = {"api_name": name, "json_path": f"{path}.{name}"}
        raise ItemError("INVALID_DATA", "the field api name given seems to be invalid", details)


def _appended(call: ApiCall, row: dict[str, Any], one: Field, value: Json) -> Json:
    """With `$append_values` a multi-select keeps what it held before."""
    wanted = row.get("$append_values")
    held = call.store.get(str(row.get("id", "")))
    if not isinstance(wanted, dict) or not wanted.get(one.api_name) or held is None or not isinstance(value, list):
        return value
    return list(dict.fromkeys([*held.values.get(one.api_name, []), *value]))


def _missing(
    call: ApiCall, values: dict[str, Any], row: dict[str, Any], path: str, *, creating: bool
) -> list[ItemError]:
    """Mandatory fields that a create lacks, or that an update would empty."""
    lacking = [
        one.api_name
        for one in call.fields.mandatory()
        if (creating or one.api_name in values)
        and values.get(one.api_name) in (None, "", [])
        # A value that was refused for another reason is reported once.
        and (one.api_name in values or one.api_name not in row or one.read_only)
    ]
    return [
        ItemError("MANDATORY_NOT_FOUND", "required field not found", {"api_name": name, "json_path": f"{path}.{name}"})
        for name in lacking
    ]


def _refuse_duplicates(call: ApiCall, values: dict[str, Any], path: str, *, except_id: str | None) -> None:
    for one in call.fields.unique():
        if values.get(one.api_name) is None:
            continue
        holders = [held for held in call.store.holders(one.api_name, values[one.api_name]) if held.id != except_id]
        if holders:
            raise _duplicate(call, one, holders, path)


def _duplicate(call: ApiCall, one: Field, holders: list[Record], path: str) -> ItemError:
    first = holders[0]
    owner = call.org.users.get(first.owner)
    duplicate = {
        "Owner": call.org.user_ref(first.owner) | {"zuid": owner.zuid if owner else None},
        "id": first.id,
        "module": {"api_name": call.module, "id": call.org.module_ids[call.module]},
    }
    details = {
        "api_name": one.api_name,
        "json_path": f"{path}.{one.api_name}",
        "id": first.id,
        "duplicate_record": duplicate,
        "more_records": len(holders) > 1,
    }
    return ItemError("DUPLICATE_DATA", "duplicate data", details)


def _writable(call: ApiCall, record_id: str, path: str) -> Record:
    """The record, if the user may change it now."""
    record = call.store.get(record_id)
    if record is None or not call.org.sees(call.user, record):
        raise bad_id(path)
    _refuse_unwritable(call, record, path)
    return record


def _refuse_unwritable(call: ApiCall, record: Record, path: str) -> None:
    if not call.org.edits(call.user, record):
        raise ItemError(
            "AUTHORIZATION_FAILED",
            "User does not have sufficient privilege",
            {"id": record.id, "resource_path_index": 0},
        )
    if record.locked:
        details = {"api_name": "id", "json_path": path, "action": "record_locking", "id": record.id}
        raise ItemError("RECORD_LOCKED", "the record is locked", details)
    if not record.approved:
        raise ItemError("NOT_APPROVED", "the record is not approved", {"id": record.id, "resource_path_index": 0})


def _store(call: ApiCall, record: Record, values: dict[str, Any], rules: Automation) -> None:
    for name, value in values.items():
        if value is None:
            record.values.pop(name, None)
        else:
            record.values[name] = value
    rules.run(call, record)
    call.store.put(record, now=call.now)


def _stamp(call: ApiCall, record: Record) -> dict[str, Any]:
    zone = call.user.time_zone
    return {
        "Modified_Time": times.show(record.modified, zone),
        "Modified_By": call.org.user_ref(record.modified_by),
        "Created_Time": times.show(record.created, zone),
        "id": record.id,
        "Created_By": call.org.user_ref(record.created_by),
    }


def _unmodified_since(call: ApiCall) -> int | None:
    text = call.headers.get("if-unmodified-since")
    if text is None:
        return None
    moment = times.parse(text)
    if moment is None:
        raise invalid_param("If-Unmodified-Since", expected_data_type="datetime")
    return moment


def _first_moved(call: ApiCall, rows: Sequence[Any], limit: int | None) -> Record | None:
    """The first record that changed since `limit`, where one such refuses the whole call."""
    if limit is None or call.settings.unmodified_since == "record":
        return None
    records = (call.store.get(str(row.get("id"))) for row in rows if isinstance(row, dict))
    return next((one for one in records if one is not None and one.modified > limit), None)


def _already_modified(call: ApiCall, record: Record) -> Item:
    message = "record has been modified after the given time"
    return {"code": "ALREADY_MODIFIED", "details": _stamp(call, record), "message": message, "status": "error"}


def _duplicate_checks(call: ApiCall) -> list[str]:
    """The fields by which an upsert looks for a record, in order."""
    call.rows_of_body()
    named = call.body.get("duplicate_check_fields")
    system = SYSTEM_DUPLICATE_FIELDS[call.module]
    unique = [one.api_name for one in call.fields.unique()]
    if not named:
        return list(dict.fromkeys([system, *unique]))
    if not isinstance(named, list) or not set(map(str, named)) <= {system, *unique}:
        details = {"api_name": "duplicate_check_fields", "json_path": "$.duplicate_check_fields"}
        raise ZohoError(400, "INVALID_DATA", "invalid data", details | {"supported_values": [system, *unique]})
    return list(dict.fromkeys([*map(str, named), *unique]))
