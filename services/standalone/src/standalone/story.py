"""The demonstration: a first sync, edits on both sides, the runs that follow; all through config-api's interface."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2

from standalone import minimum
from standalone.consent import agree
from standalone.customer import Customer, Json
from standalone.kept import Kept
from standalone.measure import measured
from standalone.options import Options
from standalone.report import Step
from standalone.screen import Screen
from standalone.vendors import Vendors

_OPEN: Final = frozenset({"queued", "running", "waiting"})
_LOOK_EVERY_S: Final = 0.4
_GROUP: Final = "Customers"
_LAST_EDITED_AGO: Final = timedelta(days=3)
_EDITED_OVER: Final = timedelta(days=90)
_BETWEEN_S: Final = 600
"""The vendors' clocks move by so much between the steps: past the 120 s by which later runs look back."""

_PER_ROUND: Final = 1000
_SERIALS: Final = 100_000


class StoryError(RuntimeError):
    """A run did not end as it must; the message says how."""


async def follow(customer: Customer, run_id: str, screen: Screen, *, keep: bool = True) -> Json:
    """Show a run's progress until it has ended, and after it where `keep` says so; the run as it ended."""
    with screen.run_view(keep=keep) as view:
        while True:
            run = await customer.run(run_id)
            view.show(run)
            if run["state"] not in _OPEN:
                return run
            await asyncio.sleep(_LOOK_EVERY_S)


class Story:
    """Ada connects both accounts, saves a configuration, and goes on living."""

    def __init__(
        self, customer: Customer, vendors: Vendors, browser: httpx2.AsyncClient, screen: Screen, options: Options
    ) -> None:
        self._customer = customer
        self._vendors = vendors
        self._browser = browser
        self._screen = screen
        self._options = options
        self._config_id = ""

    async def begin(self) -> Step:
        """Both accounts are connected, and a new configuration has run.

        Raises StoryError, RefusedError, ConsentError.
        """
        await self._connect()
        return await self._first()

    async def go_on(self, kept: Kept) -> Mapping[str, Step]:
        """The steps after the first run, by name. Raises StoryError, RefusedError."""
        self._config_id = kept.config_id
        conflicts = await self._edit(await self._pairs(kept.first_run_id), kept.rounds)
        later = await self._later(conflicts, kept)
        echo = await self._again("Once more: the run reads its own writes and knows them", self._echo_minimum())
        await self._vendors.advance(_BETWEEN_S)
        idle = await self._again(
            "And again: nothing has changed", minimum.later_run(changed_in_crm=0, changed_on_google=0)
        )
        return {"later": later, "echo": echo, "no_change": idle}

    # --- the first run ---

    async def _connect(self) -> None:
        self._screen.heading("Ada connects both accounts")
        until = datetime.now(UTC) - _LAST_EDITED_AGO
        await self._vendors.crm.populate(
            self._options.contacts,
            until=until.isoformat(timespec="seconds"),
            spread_s=int(_EDITED_OVER.total_seconds()),
        )
        self._screen.did(
            f"Zoho CRM holds {self._options.contacts:,} contacts of many countries, last edited days ago; "
            "the Google account is empty"
        )
        for provider in ("zoho", "google"):
            await agree(await self._customer.authorization_url(provider), self._browser)
        connections = await self._customer.connections()
        for connection in connections.values():
            self._screen.did(f"consent given at {connection['provider']}: {connection['account_name']}")

    async def _first(self) -> Step:
        views = {view["name"]: view for view in await self._customer.views()}
        view, group = views[self._vendors.crm.view_name], await self._customer.make_group(_GROUP)
        self._screen.did(f"view {view['name']!r} and the new group {group['name']!r} are to hold the same, both ways")
        self._screen.heading(f"First sync of {self._options.contacts:,} contacts")
        async with measured() as cost:
            saved = await self._customer.save(
                {
                    "name": "My customers on my phone",
                    "crm_view_id": view["id"],
                    "google_group": group["id"],
                    "direction": "two_way",
                    "frequency": "manual",
                }
            )
            run = await self._ended(saved["run_id"])
        count = self._options.contacts
        step = Step(run, cost, minimum.first_run(in_view=count, in_account=0, created_on_google=count))
        self._screen.report("Report of the first sync", step)
        return step

    # --- the later ones ---

    async def _pairs(self, run_id: str) -> list[tuple[str, str]]:
        """As many contacts of the first run as are to be edited: their ids on both sides."""
        wanted = 2 * self._options.edits - self._options.shared_edits
        pairs: list[tuple[str, str]] = []
        async for row in self._customer.rows(run_id, "created"):
            pairs.append((row["crm_id"], row["google_id"]))
            if len(pairs) == wanted:
                break
        return pairs

    async def _edit(self, pairs: list[tuple[str, str]], rounds: int) -> int:
        """Edits on both sides, other ones in each round; how many contacts got two different titles."""
        edits, shared = self._options.edits, self._options.shared_edits
        self._screen.heading("Days later, both sides have been edited")
        await self._vendors.advance(_BETWEEN_S)
        in_crm, on_google = pairs[:edits], pairs[edits - shared :]
        await self._vendors.crm.edit(
            {record_id: _crm_edit(n, edits - shared, rounds) for n, (record_id, _) in enumerate(in_crm)}
        )
        people = await self._vendors.google.people([name for _, name in on_google])
        await self._vendors.google.edit(
            {name: _google_edit(n, shared, people[name], rounds) for n, (_, name) in enumerate(on_google)}
        )
        await self._vendors.advance(_BETWEEN_S)
        self._screen.did(f"{len(in_crm)} contacts edited in the CRM, {len(on_google)} on the phone")
        self._screen.did(f"{shared} of them got a different title on each side: the CRM is to win")
        return shared

    async def _later(self, conflicts: int, kept: Kept) -> Step:
        own = self._options.edits - conflicts
        fewest = minimum.later_run(
            changed_in_crm=self._options.edits,
            # After the first run all that it has made, the edited ones among them.
            changed_on_google=self._options.contacts if kept.rounds == 1 else self._options.edits,
            news_from_crm=True,
            updated_in_crm=own,
            updated_on_google=own + conflicts,
        )
        self._screen.heading("The next sync")
        async with measured() as cost:
            run = await self._pressed()
        step = Step(run, cost, fewest)
        self._screen.report("Report of the later sync", step)
        await self._vendors.advance(_BETWEEN_S)
        return step

    def _echo_minimum(self) -> int:
        own, conflicts = self._options.edits - self._options.shared_edits, self._options.shared_edits
        return minimum.later_run(changed_in_crm=own, changed_on_google=2 * own + conflicts)

    async def _again(self, heading: str, fewest: int) -> Step:
        self._screen.heading(heading)
        async with measured() as cost:
            run = await self._pressed(keep=False)
        step = Step(run, cost, fewest)
        self._screen.did(
            f"{run['selected']:,} contacts unchanged, {sum(run['writes'].values())} writes, "
            f"{step.data_calls} data calls (the minimum is {fewest})"
        )
        return step

    async def _pressed(self, *, keep: bool = True) -> Json:
        return await self._ended((await self._customer.ask_for_run(self._config_id))["id"], keep=keep)

    async def _ended(self, run_id: str, *, keep: bool = True) -> Json:
        run = await follow(self._customer, run_id, self._screen, keep=keep)
        if run["state"] not in {"succeeded", "partial"}:
            raise StoryError(f"the run ended as {run['state']}: {run['reason_text'] or run['reason']}")
        return run


def _serial(number: int, rounds: int) -> int:
    """What makes a value another one in each round; in six digits, so that it fits into a phone number."""
    return (number + _PER_ROUND * (rounds - 1)) % _SERIALS


def _crm_edit(number: int, own: int, rounds: int) -> dict[str, Any]:
    """What a colleague changes; the last ones are the contacts that the phone's owner edits too."""
    serial = _serial(number, rounds)
    if number >= own:
        return {"Title": f"Head of Sales {serial}"}
    edits: list[dict[str, Any]] = [
        {"Title": f"Engineer {serial}"},
        {"Mobile": f"+44 7700 {900000 + serial:06d}"},
        {"Department": f"Department {serial}"},
    ]
    return edits[number % len(edits)]


def _google_edit(number: int, shared: int, person: Json, rounds: int) -> dict[str, Any]:
    """What the phone's owner changes: an entry of a list stays beside its neighbours."""
    serial = _serial(number, rounds)
    if number < shared or number % 2:
        organizations = person.get("organizations") or [{}]
        return {
            "organizations": [
                _typed(organizations[0]) | {"title": f"Director {serial}"},
                *map(_typed, organizations[1:]),
            ]
        }
    phones = [_typed(phone) for phone in person.get("phoneNumbers", []) if phone.get("type") != "mobile"]
    return {"phoneNumbers": [{"value": f"+44 7700 {800000 + serial:06d}", "type": "mobile"}, *phones]}


def _typed(entry: Json) -> Json:
    """An entry as it was typed in, without what the vendor adds."""
    return {name: value for name, value in entry.items() if name not in {"metadata", "formattedType", "canonicalForm"}}
