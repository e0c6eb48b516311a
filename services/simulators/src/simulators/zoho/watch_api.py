"""`/actions/watch`: subscribing, listing, changing and ending notification channels (API v8, "Notifications")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.api import PAGE, Answer, ApiCall
from simulators.zoho.errors import ItemError, bad_body, limit_exceeded, missing_param
from simulators.zoho.fields import MODULES
from simulators.zoho.jsonvalue import Json
from simulators.zoho.watch import DEFAULT_LIFE_S, MAX_CHANNELS, MAX_LIFE_S, MAX_TOKEN, Channel, is_loopback

_EVENTS: Final = frozenset(f"{module}.{kind}" for module in MODULES for kind in ("all", "create", "edit", "delete"))
_CHANNEL_ID_DIGITS: Final = 19
Item = dict[str, Any]


def subscribe(call: ApiCall) -> Answer:
    """`POST /actions/watch`."""
    return _each(call, _made, 201)


def replace_channels(call: ApiCall) -> Answer:
    """`PUT /actions/watch`: what is not sent falls back to its default, the expiry to one hour."""
    return _each(call, _replaced, 200)


def change_channels(call: ApiCall) -> Answer:
    """`PATCH /actions/watch`: only what is sent changes; `_delete_events` takes events away."""
    return _each(call, _changed, 200)


def list_channels(call: ApiCall) -> Answer:
    """`GET /actions/watch`: the caller's living channels, 204 without any."""
    wanted, module = call.params.get("channel_id"), call.params.get("module")
    found = [
        one
        for one in call.world.channels.of_user(call.user.id)
        if one.expires > call.now
        and (wanted is None or one.id == wanted)
        and (module is None or any(event.startswith(f"{module}.") for event in one.events))
    ]
    per_page, page = call.number("per_page", PAGE, most=PAGE), call.number("page", 1)
    shown = found[(page - 1) * per_page : page * per_page]
    if not shown:
        return Answer(204)
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": page * per_page < len(found)}
    return Answer(200, {"watch": [_shown(call, one) for one in shown], "info": info})


def unsubscribe(call: ApiCall) -> Answer:
    """`DELETE /actions/watch?channel_ids=`."""
    ids = [one.strip() for one in call.params.get("channel_ids", "").split(",") if one.strip()]
    if not ids:
        raise missing_param("channel_ids")
    items: list[Item] = []
    for one in ids:
        channel = call.world.channels.by_key.pop((call.user.id, one), None)
        if channel is None:
            items.append(_unknown_channel("$.channel_ids").body())
        else:
            items.append(_success(call, channel, "Successfully un-subscribed"))
    return _answer(items, 200)


def _each(call: ApiCall, act: Json, good: int) -> Answer:
    rows = call.rows_of_body("watch")
    if not rows:
        raise bad_body(expected_data_type="jsonarray", api_name="watch", json_path="$.watch")
    if len(rows) > MAX_CHANNELS:
        raise limit_exceeded(maximum_length=MAX_CHANNELS, api_name="watch")
    items: list[Item] = []
    for number, row in enumerate(rows):
        try:
            items.append(act(call, row, f"$.watch[{number}]"))
        except ItemError as problem:
            items.append(problem.body())
    return _answer(items, good)


def _answer(items: list[Item], good: int) -> Answer:
    failed = sum(one["status"] == "error" for one in items)
    return Answer(good if not failed else 400 if failed == len(items) else 207, {"watch": items})


def _made(call: ApiCall, row: Json, path: str) -> Item:
    channel = _parsed(call, row, path)
    call.world.channels.put(channel)
    return _success(call, channel, "Successfully subscribed for actions-watch of the given module")


def _replaced(call: ApiCall, row: Json, path: str) -> Item:
    _existing(call, row, path)
    channel = _parsed(call, row, path)
    call.world.channels.put(channel)
    return _success(call, channel, "Successfully updated for actions-watch of the given module")


def _changed(call: ApiCall, row: Json, path: str) -> Item:
    channel = _existing(call, row, path)
    if row.get("_delete_events"):
        left = tuple(one for one in channel.events if one not in set(_events(row, path)))
        changed = replace(channel, events=left)
    else:
        kept = {"events": list(channel.events), "notify_url": channel.notify_url, "token": channel.token}
        changed = _parsed(call, {**kept, "return_affected_field_values": channel.with_values, **row}, path)
        if "channel_expiry" not in row:
            changed.expires = channel.expires
    call.world.channels.put(changed)
    return _success(call, changed, "Successfully updated for actions-watch of the given module")


def _existing(call: ApiCall, row: Json, path: str) -> Channel:
    channel = call.world.channels.by_key.get((call.user.id, _channel_id(row, path)))
    if channel is None:
        raise _unknown_channel(f"{path}.channel_id")
    return channel


def _unknown_channel(path: str) -> ItemError:
    details = {"api_name": "channel_id", "json_path": path}
    return ItemError("INVALID_DATA", "the channel_id given seems to be invalid", details)


def _channel_id(row: Json, path: str) -> str:
    if not isinstance(row, dict):
        raise ItemError("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path})
    value = row.get("channel_id")
    if value is None:
        raise _missing("channel_id", path)
    if not str(value).isdigit() or len(str(value)) > _CHANNEL_ID_DIGITS or isinstance(value, bool):
        raise _invalid("channel_id", path, expected_data_type="bigint")
    return str(value)


def _events(row: dict[str, Any], path: str) -> list[str]:
    events = row.get("events")
    if not events:
        raise _missing("events", path)
    if not isinstance(events, list) or not set(map(str, events)) <= _EVENTS:
        raise _invalid("events", path, supported_values=sorted(_EVENTS))
    return [str(one) for one in events]


def _parsed(call: ApiCall, row: Json, path: str) -> Channel:
    channel_id = _channel_id(row, path)
    events = _events(row, path)
    url = row.get("notify_url")
    if not url:
        raise _missing("notify_url", path)
    # The vendor wants https; a simulator can call the loopback alone, where plain HTTP is what there is.
    if not isinstance(url, str) or not is_loopback(url):
        raise _invalid("notify_url", path, expected_data_type="website")
    token = row.get("token")
    if token is not None and (not isinstance(token, str) or len(token) > MAX_TOKEN):
        raise _invalid("token", path, maximum_length=MAX_TOKEN)
    expires = _expiry(call, row, path)
    with_values = row.get("return_affected_field_values") is True
    return Channel(channel_id, call.org.zgid, call.user.id, tuple(events), url, expires, token, with_values)


def _expiry(call: ApiCall, row: dict[str, Any], path: str) -> int:
    """The asked end; one hour when none is asked, or one beyond the maximum."""
    asked = row.get("channel_expiry")
    if asked is None:
        return call.now + DEFAULT_LIFE_S
    moment = times.parse(asked) if isinstance(asked, str) else None
    if moment is None or moment <= call.now:
        raise _invalid("channel_expiry", path, expected_data_type="datetime")
    return moment if moment <= call.now + MAX_LIFE_S else call.now + DEFAULT_LIFE_S


def _missing(name: str, path: str) -> ItemError:
    details = {"api_name": name, "json_path": f"{path}.{name}"}
    return ItemError("MANDATORY_NOT_FOUND", "required field not found", details)


def _invalid(name: str, path: str, **details: object) -> ItemError:
    return ItemError("INVALID_DATA", "invalid data", {**details, "api_name": name, "json_path": f"{path}.{name}"})


def _success(call: ApiCall, channel: Channel, message: str) -> Item:
    modules = dict.fromkeys(event.partition(".")[0] for event in channel.events)
    events = [
        {
            "channel_expiry": times.show(channel.expires, call.user.time_zone),
            "resource_uri": f"{call.base_url}/crm/v8/{module}",
            "resource_id": call.org.module_ids[module],
            "resource_name": module,
            "channel_id": channel.id,
        }
        for module in modules
    ]
    return {"code": "SUCCESS", "details": {"events": events}, "message": message, "status": "success"}


def _shown(call: ApiCall, channel: Channel) -> Item:
    module = channel.events[0].partition(".")[0]
    return {
        "notify_on_related_action": False,
        "channel_expiry": times.show(channel.expires, call.user.time_zone),
        "resource_uri": f"{call.base_url}/crm/v8/{module}",
        "resource_id": call.org.module_ids[module],
        "return_affected_field_values": channel.with_values,
        "notify_url": channel.notify_url,
        "resource_name": module,
        "channel_id": channel.id,
        "events": list(channel.events),
        "token": channel.token,
    }
