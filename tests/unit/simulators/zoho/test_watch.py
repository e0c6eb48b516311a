"""Notification channels: rules of subscribing, and what is told to whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.simulators.zoho.crm import Crm, Value, instant

CHANNEL: dict[str, Any] = {
    "channel_id": "1000000068001",
    "events": ["Contacts.all"],
    "notify_url": "http://127.0.0.1:9/hook?tenant=7",
    "token": "secret",
}


async def subscribed(crm: Crm, method: str = "POST", **changes: Value) -> tuple[int, dict[str, Any]]:
    """Status and item of one subscription; None removes a key."""
    row = {name: value for name, value in (CHANNEL | changes).items() if value is not None}
    answer = await crm.call(method, "/actions/watch", {"watch": [row]})
    item: dict[str, Any] = answer.json()["watch"][0]
    return answer.status_code, item


async def expiry(crm: Crm) -> str:
    """The end of the one channel."""
    (channel,) = (await crm.get("/actions/watch")).json()["watch"]
    end: str = channel["channel_expiry"]
    return end


async def told(crm: Crm) -> list[dict[str, Any]]:
    """What was noted for delivery, oldest first; the callbacks themselves are dropped."""
    return [one["body"] for one in (await crm.control("GET", "/notifications"))["deliveries"]]


async def test_a_channel_is_made_and_listed(crm: Crm) -> None:
    status, item = await subscribed(crm)
    assert (status, item["code"]) == (201, "SUCCESS")
    (event,) = item["details"]["events"]
    assert (event["resource_name"], event["channel_id"]) == ("Contacts", CHANNEL["channel_id"])
    (shown,) = (await crm.get("/actions/watch", channel_id=CHANNEL["channel_id"])).json()["watch"]
    assert (shown["notify_url"], shown["token"]) == (CHANNEL["notify_url"], "secret")


@pytest.mark.parametrize(
    ("asked", "end"),
    [(None, 3600), (86_400, 86_400), (7 * 86_400, 7 * 86_400), (7 * 86_400 + 1, 3600)],
)
async def test_the_end_is_an_hour_unless_asked_within_a_week(crm: Crm, asked: int | None, end: int) -> None:
    await subscribed(crm, channel_expiry=None if asked is None else instant(asked))
    assert await expiry(crm) == instant(end)


@pytest.mark.parametrize(
    ("change", "code", "api_name"),
    [
        ({"channel_id": None}, "MANDATORY_NOT_FOUND", "channel_id"),
        ({"events": None}, "MANDATORY_NOT_FOUND", "events"),
        ({"notify_url": None}, "MANDATORY_NOT_FOUND", "notify_url"),
        ({"channel_id": "abc"}, "INVALID_DATA", "channel_id"),
        ({"events": ["Contacts.rename"]}, "INVALID_DATA", "events"),
        ({"token": "x" * 51}, "INVALID_DATA", "token"),
        ({"channel_expiry": "2026-03-02T10:00:00.000+00:00"}, "INVALID_DATA", "channel_expiry"),
        ({"notify_url": "https://example.com/hook"}, "INVALID_DATA", "notify_url"),
    ],
)
async def test_a_wrong_subscription_is_refused_by_field(
    crm: Crm, change: dict[str, Value], code: str, api_name: str
) -> None:
    status, item = await subscribed(crm, **change)
    assert (status, item["code"], item["details"]["api_name"]) == (400, code, api_name)
    assert (await crm.get("/actions/watch")).status_code == 204


async def test_replacing_without_an_expiry_falls_back_to_an_hour(crm: Crm) -> None:
    await subscribed(crm, channel_expiry=instant(86_400))
    assert (await subscribed(crm, "PUT"))[0] == 200
    assert await expiry(crm) == instant(3600)


async def test_changing_keeps_what_is_not_sent(crm: Crm) -> None:
    await subscribed(crm, channel_expiry=instant(86_400))
    row = {"channel_id": CHANNEL["channel_id"], "token": "other"}
    assert (await crm.call("PATCH", "/actions/watch", {"watch": [row]})).status_code == 200
    assert await expiry(crm) == instant(86_400)
    assert (await subscribed(crm, "PUT", channel_id="77"))[0] == 400


async def test_an_ended_channel_is_gone(crm: Crm) -> None:
    await subscribed(crm)
    answer = await crm.call("DELETE", "/actions/watch", channel_ids=f"{CHANNEL['channel_id']},5")
    assert answer.status_code == 207
    assert (await crm.get("/actions/watch")).status_code == 204


async def test_writes_by_api_and_by_hand_are_told_with_token_and_query(crm: Crm) -> None:
    await subscribed(crm, return_affected_field_values=True)
    await crm.settings(drop_notifications=True)
    (record_id,) = await crm.insert({"Last_Name": "A"})
    await crm.of_org("PATCH", f"/records/Contacts/{record_id}", {"values": {"Phone": "112"}})
    await crm.call("DELETE", "/Contacts", ids=record_id)
    bodies = await told(crm)
    assert [one["operation"] for one in bodies] == ["insert", "update", "delete"]
    body = bodies[1]
    assert (body["ids"], body["token"], body["channel_id"]) == ([record_id], "secret", CHANNEL["channel_id"])
    assert (body["module"], body["query_params"]) == ("Contacts", {"tenant": "7"})
    assert body["affected_fields"] == [{record_id: ["Phone"]}]
    assert body["affected_values"] == [{"record_id": record_id, "values": {"Phone": "112"}}]


async def test_only_the_chosen_events_are_told_and_none_after_the_end(crm: Crm) -> None:
    await subscribed(crm, events=["Contacts.create"])
    await crm.settings(drop_notifications=True)
    (record_id,) = await crm.insert({"Last_Name": "A"})
    await crm.update({"id": record_id, "Phone": "112"})
    crm.wait(3601)
    crm.headers = await crm.sign_in(crm.owner)
    await crm.insert({"Last_Name": "B"})
    assert [one["operation"] for one in await told(crm)] == ["insert"]


class Hook:
    """A listener that answers 200 and keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        self.heard.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def outcomes(crm: Crm) -> list[str]:
    """What became of the deliveries."""
    return [one["outcome"] for one in (await crm.control("GET", "/notifications"))["deliveries"]]


@pytest.mark.parametrize(("setting", "heard"), [({}, 1), ({"duplicate_notifications": True}, 2)])
async def test_callbacks_are_posted_once_or_as_often_as_told(crm: Crm, setting: dict[str, object], heard: int) -> None:
    hook = Hook()
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await subscribed(crm, notify_url=f"http://127.0.0.1:{port}/hook")
        await crm.settings(**setting)
        await crm.insert({"Last_Name": "A"})
        assert await outcomes(crm) == ["200"] * heard
        assert len(hook.heard) == heard


async def test_lost_callbacks_are_noted_as_lost(crm: Crm) -> None:
    await subscribed(crm)
    await crm.settings(drop_notifications=True)
    await crm.insert({"Last_Name": "A"})
    assert await outcomes(crm) == ["dropped"]


async def test_the_workflow_rule_calls_its_webhook(crm: Crm) -> None:
    await crm.settings(workflow_webhook="http://127.0.0.1:9/rule", drop_notifications=True)
    await crm.call("POST", "/Contacts", {"data": [{"Last_Name": "A"}]})
    await crm.insert({"Last_Name": "B"})
    (body,) = await told(crm)
    assert body["module"] == "Contacts"
