"""The CRM's own part of the control interface, second half: records, edited as people do by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field as Rule
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.control import Command, ControlError, control_route, json_response, read_command
from simulators.population import people
from simulators.population.zoho import to_zoho_record
from simulators.zoho import times
from simulators.zoho.editing import EditError, Hand
from simulators.zoho.fields import MODULES
from simulators.zoho.jsonvalue import Json
from simulators.zoho.state import record_state
from simulators.zoho.world import World


class ByHand(Command):
    """Who works, and when; without a user the organisation's first, without a time now."""

    by: str | None = None
    at: str | None = None


class CreateRecords(ByHand):
    """Records to create, in order; company names become accounts."""

    records: list[dict[str, Any]]


class Populate(ByHand):
    """So many realistic contacts; `modified` spreads over `spread_s` seconds that end at `at`."""

    count: int = Rule(ge=1, le=500_000)
    seed: int = 1
    unique_emails: bool = False
    spread_s: int = Rule(default=0, ge=0)


class EditRecord(ByHand):
    """New values of one record; null empties a field."""

    values: dict[str, Any]


class EditOne(Command):
    """One of many edits."""

    id: str
    values: dict[str, Any]


class EditRecords(ByHand):
    """Many edits."""

    edits: list[EditOne]


class ChosenRecords(ByHand):
    """Records by id."""

    ids: list[str]


class DeleteRecords(ChosenRecords):
    """Records to delete; `permanent` leaves them out of the bin, `nothing` out of the deleted list too."""

    kind: Literal["recycle", "permanent", "nothing"] = "recycle"


class MergeRecords(ByHand):
    """The record that stays and those that vanish into it."""

    winner: str
    losers: list[str]


class MarkRecords(ChosenRecords):
    """Marks to set: locking, approval, and the users to whom sharing denies sight or editing."""

    locked: bool | None = None
    approved: bool | None = None
    hidden_from: list[str] | None = None
    read_only_for: list[str] | None = None


def record_routes(world: Callable[[], World]) -> list[Route]:
    """The routes below `/organisations/{zgid}/records/{module}`."""
    records = Records(world)
    base = "/organisations/{zgid}/records/{module}"
    table: list[tuple[str, str, Any]] = [
        ("GET", base, records.show_all),
        ("POST", base, records.create),
        ("POST", base + "/populate", records.populate),
        ("POST", base + "/edit", records.edit_many),
        ("POST", base + "/delete", records.delete),
        ("POST", base + "/restore", records.restore),
        ("POST", base + "/purge", records.purge),
        ("POST", base + "/merge", records.merge),
        ("POST", base + "/mark", records.mark),
        ("GET", base + "/{id}", records.show),
        ("PATCH", base + "/{id}", records.edit),
    ]
    return [control_route(path, [method], _refusing(act)) for method, path, act in table]


def _refusing(act: Json) -> Json:
    async def serve(request: Request) -> Response:
        try:
            answer: Response = await act(request)
        except EditError as error:
            raise ControlError(error.field, error.reason) from error
        return answer

    serve.__name__ = act.__name__
    return serve


class Records:
    """What people do to records."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world

    async def show_all(self, request: Request) -> Response:
        """Every live record, empty fields absent, lookups by id."""
        hand = self._hand(request, ByHand())
        return json_response({"records": [record_state(one) for one in hand.store.all()]})

    async def show(self, request: Request) -> Response:
        """One live record."""
        record = self._hand(request, ByHand()).store.get(request.path_params["id"])
        if record is None:
            raise ControlError("id", "no such record", 404)
        return json_response(record_state(record))

    async def create(self, request: Request) -> Response:
        """Many at once; the answer lists their ids in order."""
        command = await read_command(request, CreateRecords)
        return self._done(self._hand(request, command), ids=self._hand(request, command).create(command.records))

    async def populate(self, request: Request) -> Response:
        """Realistic contacts by seed; their modification times rise towards the end of the spread."""
        command = await read_command(request, Populate)
        hand = self._hand(request, command)
        if hand.module != "Contacts":
            raise ControlError("module", "people are contacts")
        crowd = people(command.count, seed=command.seed, unique_emails=command.unique_emails)
        rows: list[dict[str, Any]] = []
        for number, person in enumerate(crowd, start=1):
            second = hand.at - command.spread_s + command.spread_s * number // command.count
            stamp = times.show(second, "UTC")
            rows.append(to_zoho_record(person) | {"Created_Time": stamp, "Modified_Time": stamp})
        return self._done(hand, ids=hand.create(rows))

    async def edit(self, request: Request) -> Response:
        """One record."""
        command = await read_command(request, EditRecord)
        hand = self._hand(request, command)
        record = hand.edit(request.path_params["id"], command.values)
        return self._done(hand, record=record_state(record))

    async def edit_many(self, request: Request) -> Response:
        """Many records, in order."""
        command = await read_command(request, EditRecords)
        hand = self._hand(request, command)
        for number, one in enumerate(command.edits):
            hand.edit(one.id, one.values, f"edits.{number}")
        return self._done(hand, edited=len(command.edits))

    async def delete(self, request: Request) -> Response:
        """Into the bin or further."""
        command = await read_command(request, DeleteRecords)
        hand = self._hand(request, command)
        hand.delete(command.ids, None if command.kind == "nothing" else command.kind)
        return self._done(hand, deleted=len(command.ids))

    async def restore(self, request: Request) -> Response:
        """Out of the bin again."""
        command = await read_command(request, ChosenRecords)
        hand = self._hand(request, command)
        hand.restore(command.ids)
        return self._done(hand, restored=len(command.ids))

    async def purge(self, request: Request) -> Response:
        """Out of the bin for good."""
        command = await read_command(request, ChosenRecords)
        hand = self._hand(request, command)
        hand.purge(command.ids)
        return self._done(hand, purged=len(command.ids))

    async def merge(self, request: Request) -> Response:
        """Several into one."""
        command = await read_command(request, MergeRecords)
        hand = self._hand(request, command)
        return self._done(hand, record=record_state(hand.merge(command.winner, command.losers)))

    async def mark(self, request: Request) -> Response:
        """Lock, withdraw approval, hide, or make read-only."""
        command = await read_command(request, MarkRecords)
        hand = self._hand(request, command)
        hand.mark(command.ids, **command.model_dump(include=_MARKS, exclude_none=True))
        return self._done(hand, marked=len(command.ids))

    def _hand(self, request: Request, command: ByHand) -> Hand:
        world = self._world()
        org = world.organisations.get(request.path_params["zgid"])
        if org is None:
            raise ControlError("zgid", "no such organisation", 404)
        module = request.path_params["module"]
        if module not in MODULES:
            raise ControlError("module", f"one of {', '.join(MODULES)} is needed", 404)
        by = command.by or next(iter(org.users), None)
        if by not in org.users or by is None:
            raise ControlError("by", "no such user")
        at = world.now if command.at is None else times.parse(command.at)
        if at is None:
            raise ControlError("at", "a time like 2026-03-01T10:00:00+00:00 is needed")
        return Hand(world, org, module, by, at, f"{request.url.scheme}://{request.url.netloc}")

    def _done(self, hand: Hand, **answer: object) -> Response:
        settings = hand.world.settings
        hand.world.channels.send(
            drop=settings.drop_notifications,
            duplicate=settings.duplicate_notifications,
            reorder=settings.reorder_notifications,
        )
        return json_response(answer)


_MARKS = {"locked", "approved", "hidden_from", "read_only_for"}
