"""The world of a story from outside: config-api over HTTP, relay, RabbitMQ, worker and PostgreSQL before both vendors.

Both services are put together as `standalone` does it and work in the test's own event loop, on a clock that the test
moves together with the vendors'. The user has a token of his CRM and consents at both simulators as a person does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Final

import httpx2

from contactsync.assembly.foundation import job_queue, open_foundation
from contactsync.domain.actions import Action
from contactsync.domain.link import PairState
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import default_mapping
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import Direction
from contactsync.ports.queue import Lane
from contactsync.ports.requests import RunLimits
from contactsync.ports.state import RunMode, RunState
from contactsync.telemetry import metrics
from simulators.google.settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from standalone.consent import agree
from standalone.ports import LOOPBACK, free_ports
from standalone.stack import ServiceSettings, services
from sync_worker.main import work
from tests.contract.state.worlds import KEYS
from tests.support.callers import AUDIENCE, ISSUER, Caller, CrmIssuer
from tests.support.clock import MovingClock
from tests.support.connected import vendor_settings
from tests.support.postgres import Database, Databases
from tests.support.story import PairView, RowView, RunChecks, RunView
from tests.support.vendors import CrmBook, GoogleBook, Json, Vendors, crm_book, google_book, vendors
from tests.support.waiting import wait_until

_QUICK: Final = {
    # The simulators' quotas are lifted, so the worker's account of them is too; and a test asks often.
    "google_read_per_minute": 0,
    "google_write_per_minute": 0,
    "google_delete_per_minute": 0,
    "requests_per_user": 1_000_000,
    "requests_per_organisation": 1_000_000,
    "sweep_every": timedelta(seconds=1),
}


@dataclass
class Installation:
    """Both services at work, and who may move their time."""

    known: Mapping[str, Any]
    databases: Databases
    clock: MovingClock
    issuer: CrmIssuer
    client: httpx2.AsyncClient
    both: Vendors
    running: AsyncExitStack
    checks: RunChecks = field(init=False)
    database: Database = field(init=False)
    worlds: list[OutsideWorld] = field(default_factory=list)
    poll_s: float = 0.02
    """How often it is asked whether a run has ended; for large ones less often, since each answer counts them."""
    within_s: float = 40.0

    def __post_init__(self) -> None:
        self.checks = RunChecks(self.both)

    @property
    def address(self) -> str:
        """Where config-api is."""
        return str(self.known["public_url"])

    @property
    def settings(self) -> ServiceSettings:
        """The settings of both services."""
        return ServiceSettings.read(**self.known, database_url=self.database.url)

    async def start(self, database: Database) -> None:
        """Both services at work on this database."""
        self.database = database
        await self.running.enter_async_context(services(self.settings, self.clock))

    async def stop(self) -> None:
        """Both services ended in good order; nobody is connected to the database any more."""
        await self.running.aclose()

    def caller(self, user: str, *, role: str = "user", organisation: str = "") -> Caller:
        """A user of an organisation, by default of the first."""
        organisation = organisation or self.both.crm.zgid
        return Caller(self.client, self.address, self.issuer, organisation=organisation, user=user, role=role)

    @asynccontextmanager
    async def another_worker(self) -> AsyncIterator[None]:
        """A second worker until the end of the block."""
        stop = asyncio.Event()
        async with (
            open_foundation(self.settings.worker, self.clock) as foundation,
            asyncio.TaskGroup() as tasks,
        ):
            queue = job_queue(self.settings.worker, self.clock, "second")
            tasks.create_task(work(foundation, queue, self.settings.worker, stop), name="second worker")
            yield
            stop.set()

    async def connect(self, caller: Caller, crm: CrmBook, google: GoogleBook) -> None:
        """Consent at both vendors, with these accounts, in a browser of the caller's."""
        async with httpx2.AsyncClient(trust_env=False) as browser:
            for provider, choice in (("zoho", {"user_id": crm.user_id}), ("google", {"account": google.sub})):
                start = (await caller.post(f"/v1/connections/{provider}/authorize"))["authorization_url"]
                # A browser that is not signed in shows who asks; its owner presses the button.
                onward = await browser.post(start, headers={"Origin": self.address})
                await agree(onward.headers["location"], browser, choice=choice)

    async def move_to(self, instant: datetime) -> None:
        """Let time go by until then, on our clock and the vendors'."""
        by = instant - self.clock.now()
        if by > timedelta():
            await self.both.advance(by.total_seconds())
            self.clock.advance(by)

    @property
    def idle(self) -> bool:
        """Whether the worker has given back everything that it held."""
        return not any(metrics.SLOTS_IN_USE.labels(lane=lane.value)._value.get() for lane in Lane)  # noqa: SLF001


class OutsideWorld:
    """A user with a configuration, as `StoryWorld` says; the configuration is saved at the first sync."""

    def __init__(self, product: Installation, caller: Caller, both: Vendors, settings: Mapping[str, Any]) -> None:
        self.product = product
        self.api = caller
        self.vendors = both
        self.mapping: FieldMapping = default_mapping()
        self.config_id = ""
        self._settings: Json = {
            "crm_view_id": both.crm.view,
            "google_group": both.google.group,
            "direction": Direction.TWO_WAY,
            "frequency": "manual",
        }
        self._take(settings)
        product.worlds.append(self)

    @property
    def clock(self) -> MovingClock:
        """Our clock."""
        return self.product.clock

    @property
    def path(self) -> str:
        """Where the configuration is."""
        return f"/v1/sync-configs/{self.config_id}"

    # --- settings -----------------------------------------------------------------------------------------------------

    def _take(self, settings: Mapping[str, Any]) -> None:
        """Settings as a form sends them."""
        for name, value in settings.items():
            match name, value:
                case "mapping", FieldMapping():
                    self.mapping = value
                    self._settings[name] = [
                        {"crm_field": row.crm_field, "google_field": str(row.google_field), "direction": row.direction}
                        for row in value
                    ]
                case "crm_automation", bool():
                    self._settings[name] = "on" if value else "off"
                case "catch_up", bool():
                    self._settings[name] = "now" if value else "schedule"
                case _:
                    self._settings[name] = value

    async def save(self) -> Json:
        """Save the configuration; the answer, with its first run."""
        saved = await self.api.post("/v1/sync-configs", self._settings)
        self.config_id = saved["id"]
        return saved

    async def configure(self, **settings: Any) -> None:  # noqa: ANN401  a value for any setting
        """Change settings; a run that this asks for has ended afterwards."""
        self._take(settings)
        if self.config_id:
            saved = await self.api.replace(self.path, self._settings)
            if saved["run_id"] is not None:
                await self.ended(saved["run_id"])

    async def configuration(self) -> Json:
        """The configuration as it stands."""
        return await self.api.get(self.path)

    async def beside(self, *, group: str | None = None, colleague: GoogleBook | None = None) -> OutsideWorld:
        """Another configuration of the same view: of this user with another group, or of a colleague with his."""
        if colleague is None:
            return OutsideWorld(self.product, self.api, self.vendors, {**self._settings, "google_group": group})
        crm = self.vendors.crm
        path = f"/organisations/{crm.zgid}/users"
        user = await crm.control.call("POST", path, {"email": "charles@example.com"})
        theirs = CrmBook(crm.control, crm.zgid, user["id"], crm.view)
        caller = self.product.caller("charles")
        await self.product.connect(caller, theirs, colleague)
        settings = {**self._settings, "google_group": group or colleague.group}
        return OutsideWorld(self.product, caller, Vendors(colleague, theirs), settings)

    async def elsewhere(self) -> OutsideWorld:
        """A user of another organisation, with a CRM and a Google account of his own."""
        crm = await crm_book(self.vendors.crm.control)
        google = await google_book(self.vendors.google.control, "grace@example.com")
        caller = self.product.caller("grace", organisation=crm.zgid)
        await self.product.connect(caller, crm, google)
        settings = {**self._settings, "crm_view_id": crm.view, "google_group": google.group}
        return OutsideWorld(self.product, caller, Vendors(google, crm), settings)

    async def switch_off(self) -> None:
        """Deactivate the configuration."""
        await self.api.post(f"{self.path}/deactivate")

    async def switch_on(self) -> RunView:
        """Activate it again; the run that follows."""
        return await self.ended((await self.api.post(f"{self.path}/activate"))["run_id"])

    async def made_again(self) -> OutsideWorld:
        """The configuration deleted, and one with the same settings in its place."""
        await self.api.send("DELETE", self.path)
        self.config_id = ""
        self.product.worlds.remove(self)
        return OutsideWorld(self.product, self.api, self.vendors, self._settings)

    # --- runs ---------------------------------------------------------------------------------------------------------

    async def sync(self, *, mode: RunMode = RunMode.SYNC) -> RunView:
        """Ask for a run and return it as it ended; where it waits for a date, time goes by until then."""
        return await self.ended(await self.ask(mode=mode))

    async def ask(self, *, mode: RunMode = RunMode.SYNC) -> str:
        """The run that answers a press of the button."""
        if not self.config_id:
            return str((await self.save())["run_id"])
        asked = await self.api.post(f"{self.path}/runs", {"mode": mode})
        return str(asked["run"]["id"])

    async def ended(self, run_id: str, *, told: Callable[[Json], object] = id) -> RunView:
        """The run, once it has ended and nobody works any more; `told` sees each answer on the way."""
        try:
            await self._seen(lambda: self._has_ended(run_id, told))
        except TimeoutError as error:
            raise AssertionError(f"not ended: {await self.api.get(f'/v1/runs/{run_id}')}") from error
        run = _run(await self.api.get(f"/v1/runs/{run_id}"))
        await self.product.checks.check(run, Direction(self._settings["direction"]), self)
        return run

    async def waiting(self, run_id: str, reason: str) -> Json:
        """The run as the API shows it, once it waits for this reason."""

        async def waits() -> bool:
            run = await self.api.get(f"/v1/runs/{run_id}")
            return bool(run["state"] == RunState.WAITING and run["reason"] == reason)

        await self._seen(waits)
        return await self.api.get(f"/v1/runs/{run_id}")

    async def _seen(self, condition: Callable[[], Awaitable[bool]]) -> None:
        await wait_until(condition, within_s=self.product.within_s, every_s=self.product.poll_s)

    async def _has_ended(self, run_id: str, told: Callable[[Json], object]) -> bool:
        run = await self.api.get(f"/v1/runs/{run_id}")
        told(run)
        if not self.product.idle:
            return False
        if run["state"] == RunState.WAITING and run["wait_until"] is not None:
            await self.product.move_to(datetime.fromisoformat(run["wait_until"]))
        return not RunState(run["state"]).open

    async def runs(self) -> list[RunView]:
        """All runs of the configuration, oldest first."""
        return [_run(run) for run in reversed(await self.api.all(f"{self.path}/runs"))]

    async def rest(self) -> None:
        """Return when no run is under way."""
        for run in await self.runs():
            if run.state.open:
                await self.ended(run.run_id)

    async def report(self, run: RunView) -> list[RowView]:
        """The rows of the run's report."""
        return [_row(row) for row in await self.api.all(f"/v1/runs/{run.run_id}/contacts")]

    async def approve(self, run: RunView) -> RunView:
        """Approve the deletes that the run listed; the run that answered."""
        return await self.ended((await self.api.post(f"/v1/runs/{run.run_id}/approve"))["id"])

    async def refuse(self, run: RunView) -> RunView:
        """Refuse the deletes that the run listed; the run that answered."""
        return await self.ended((await self.api.post(f"/v1/runs/{run.run_id}/refuse"))["id"])

    async def notifications(self, *, told: int) -> None:
        """Return when so many notifications of the CRM were delivered and answered."""

        async def delivered() -> bool:
            return len((await self.vendors.crm.control.call("GET", "/notifications"))["deliveries"]) >= told

        await self._seen(delivered)

    # --- pairs --------------------------------------------------------------------------------------------------------

    async def pair(self, remote_id: str) -> PairView:
        """The pair that has this record or person."""
        query = {"google_id" if remote_id.startswith("people/") else "crm_id": remote_id}
        found = [_pair(one) for one in await self.api.all(f"{self.path}/contacts", **query)]
        living = [one for one in found if one.state is not PairState.GONE] or found
        assert len(living) == 1, f"{len(living)} pairs with {remote_id}"
        return living[0]

    async def pairs(self) -> list[PairView]:
        """All pairs of the configuration."""
        return [_pair(one) for one in await self.api.all(f"{self.path}/contacts")]

    async def answer(self, remote_id: str, action: Action) -> RunView:
        """Ask for something to be done with the pair of this record or person; the run that did it."""
        link_id = (await self.pair(remote_id)).link_id
        asked = await self.api.post(f"{self.path}/contacts/{link_id}/actions", {"action": action})
        return await self.ended(asked["run_id"])

    # --- the database -------------------------------------------------------------------------------------------------

    async def lose_database(self) -> None:
        """Nothing of what was stored is left: the user connects both accounts again and saves the same settings."""
        await self.product.stop()
        await self.product.start(await self.product.databases.fresh())
        await self.product.connect(self.api, self.vendors.crm, self.vendors.google)
        self.config_id = ""

    async def back_up(self) -> Callable[[], Awaitable[None]]:
        """Make a copy of all that is stored; what it returns puts the copy in place of what is stored by then."""
        product, database = self.product, self.product.database
        await product.stop()
        copy = await product.databases.copy_of(database)
        await product.start(database)

        async def restore() -> None:
            await product.stop()
            await product.start(copy)

        return restore

    # --- time ---------------------------------------------------------------------------------------------------------

    async def pass_time(self, **by: float) -> None:
        """Let time go by on every clock; what becomes due on the way is run."""
        await self._pass_until(self.clock.now() + timedelta(**by))

    async def carry_on(self, *, until: datetime) -> list[RunView]:
        """Let time go by until then: the runs that began by themselves, in order, each ended."""
        before = {run.run_id for run in await self.runs()}
        await self._pass_until(until)
        return [run for run in await self.runs() if run.run_id not in before]

    async def _pass_until(self, instant: datetime) -> None:
        while (first := await self._first_due()) is not None and first[0] <= instant:
            due, world = first
            await self.product.move_to(due)
            await self._seen(lambda: world.next_sync_is_not(due))  # noqa: B023  awaited in the loop
            await world.rest()
        await self.product.move_to(instant)

    async def _first_due(self) -> tuple[datetime, OutsideWorld] | None:
        """The next run that begins by itself, of whichever configuration."""
        dues = [(await world.next_sync(), world) for world in self.product.worlds]
        return min(((due, world) for due, world in dues if due is not None), key=lambda one: one[0], default=None)

    async def next_sync(self) -> datetime | None:
        """When the next run begins by itself."""
        if not self.config_id:
            return None
        told = (await self.configuration())["next_sync_at"]
        return None if told is None else datetime.fromisoformat(told)

    async def next_sync_is_not(self, due: datetime) -> bool:
        """Whether the scheduler has seen to the run that was due then."""
        return await self.next_sync() != due


@asynccontextmanager
async def outside_world(
    databases: Databases,
    amqp_url: str,
    *,
    limits: RunLimits | None = None,
    view_criteria: Json | None = None,
    product: Mapping[str, object] = {},
    **settings: Any,  # noqa: ANN401  a value for any setting of the configuration
) -> AsyncIterator[OutsideWorld]:
    """Both vendors with empty books, both services at work, both accounts connected; `product` are its own settings."""
    clock = MovingClock()
    issuer = CrmIssuer(clock)
    async with (
        vendors(view_criteria=view_criteria) as both,
        issuer.published() as keys_url,
        httpx2.AsyncClient(trust_env=False) as client,
    ):
        known = await _settings(both, keys_url, limits or RunLimits())
        known |= {"amqp_url": amqp_url, **product}
        async with AsyncExitStack() as running:
            installed = Installation(known, databases, clock, issuer, client, both, running)
            await installed.start(await databases.fresh())
            ada = installed.caller("ada")
            await installed.connect(ada, both.crm, both.google)
            yield OutsideWorld(installed, ada, both, settings)


async def _settings(both: Vendors, keys_url: str, limits: RunLimits) -> dict[str, Any]:
    (port,) = free_ports(1, SystemRandom())
    public_url = f"http://{LOOPBACK}:{port}"
    callback = f"{public_url}/oauth/google/callback"
    await both.google.control.settings(
        clients={DEMO_CLIENT_ID: {"secret": DEMO_CLIENT_SECRET, "redirect_uris": [callback]}}
    )
    return {
        "keys": KEYS,
        "api_port": port,
        "public_url": public_url,
        "crm_issuer": ISSUER,
        "crm_jwks_url": keys_url,
        "oidc_audience": AUDIENCE,
        "initial_limit": limits.initial,
        "incremental_limit": limits.incremental,
        **_QUICK,
        **vendor_settings(both),
    }


def _run(run: Json) -> RunView:
    return RunView(
        run_id=run["id"],
        state=RunState(run["state"]),
        reason=run["reason"],
        trigger=run["trigger"],
        counts={**run["counts"], "selected": run["selected"]},
        writes={name: n for name, n in run["writes"].items() if n},
        calls=run["calls"],
    )


def _row(row: Json) -> RowView:
    return RowView(
        link_id=row["link_id"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        crm_id=row["crm_id"] or "",
        google_id=row["google_id"] or "",
        fields=tuple(row["fields"]),
        left_out=row["left_out"],
        provider_message=row["provider_message"],
    )


def _pair(pair: Json) -> PairView:
    held = pair["held"]
    return PairView(
        link_id=pair["link_id"],
        state=PairState(pair["state"]),
        reason=pair["reason"],
        crm_id=pair["crm"]["id"] or "",
        google_id=pair["google"]["id"] or "",
        held=held["reason"] if held else "",
        waits=pair["waiting_since"] is not None,
        excluded=pair["excluded"],
        diverged=tuple(pair["diverged"]),
        actions=frozenset(Action(one) for one in pair["actions"]),
    )
