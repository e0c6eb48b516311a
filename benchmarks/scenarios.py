"""The scenarios: how the books begin, what happens to them, and the least number of calls that this can take.

Reference: the minimum calls by kind are those of the vendors' limits (Zoho: 200 a page, 100 a write, 50 a COQL `in`,
2,000 a COQL answer; Google: 1,000 a page, 200 a batch, 500 a batch of deletes).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from benchmarks.stage import Stage, Worker
from contactsync.domain.policy import DeletePolicy, Direction
from contactsync.ports.requests import RunLimits
from tests.support.vendors import Json, google_people

DAYS_AGO = "2026-01-05T10:00:00+00:00"
Calls = Mapping[str, int]

COQL_NAMES, COQL_ROWS, VIEW_PAGE, ZOHO_WRITE = 50, 2000, 200, 100
SOUGHT_BY_NAME = 1000
GOOGLE_PAGE, GOOGLE_BATCH, GOOGLE_DELETES = 1000, 200, 500


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds that the vendors take for a call; the scale of the result is theirs."""

    zoho_read: float = 0.45
    zoho_write: float = 0.70
    google_list: float = 0.60
    google_get: float = 0.60
    google_batch: float = 1.50


@dataclass(frozen=True, slots=True)
class Plan:
    """The least calls of a run by kind. Reading chains go side by side, then writes of each side, one by one."""

    view: int = 0
    deleted: int = 0
    changed: int = 0
    question: int = 0
    ids: int = 0
    search: int = 0
    companies: int = 0
    listing: int = 0
    google_get: int = 0
    google_batch: int = 0
    crm_write: int = 0

    @property
    def calls(self) -> int:
        """All data calls."""
        return sum(getattr(self, name) for name in self.__dataclass_fields__)

    def latency_s(self, scale: float, table: Latencies | None = None) -> float:
        """The lower bound on wall time without quotas."""
        t = table or Latencies()
        zoho = (self.view + self.deleted + self.changed + self.question + self.ids) * t.zoho_read
        read = max(zoho, self.listing * t.google_list)
        google = self.google_get * t.google_get + self.google_batch * t.google_batch
        search = (self.search + self.companies) * t.zoho_read
        return scale * (read + search + max(google, self.crm_write * t.zoho_write))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measured run. `prepare` leaves the books and a worker ready for it."""

    name: str
    text: str
    contacts: int
    prepare: Callable[[Stage], Awaitable[Worker]]
    plan: Callable[[], Plan]
    """Asked after `prepare`: the least may depend on what the books hold (companies that the CRM does not know)."""
    check: Mapping[str, int] = field(default_factory=dict)
    """Counts that the run must end with: a benchmark of a wrong answer is none."""
    exact: bool = True
    """Whether the plan is the least; else it counts the listings alone, and what is written depends on the books."""


# --- the books --------------------------------------------------------------------------------------------------------


def _require_success(ended: Mapping[str, Any]) -> None:
    """A scenario that begins from a run which went wrong measures nothing."""
    if ended["state"] != "succeeded":
        raise RuntimeError(f"the run before ended {ended['state']}: {ended['reason']}")


async def _overlap_past(stage: Stage) -> None:
    await stage.vendors.advance(600)


async def _settled(
    stage: Stage, count: int, *, deletions: DeletePolicy = DeletePolicy.KEEP
) -> tuple[Worker, list[str]]:
    """A view of so many records, all on Google too; echoes read, the overlap past."""
    ids = await stage.vendors.crm.populate(count, at=DAYS_AGO)
    worker = await stage.join(Direction.TWO_WAY, deletions=deletions)
    for _ in range(2):
        _require_success(await worker.run())
        await _overlap_past(stage)
    return worker, ids


async def _edit_records(stage: Stage, ids: list[str]) -> None:
    await stage.vendors.crm.edit_many({one: {"Title": f"Analyst {n}"} for n, one in enumerate(ids)})


async def _edit_people(stage: Stage, names: list[str]) -> None:
    edits = {one: {"organizations": [{"title": f"Engineer {n}", "type": "work"}]} for n, one in enumerate(names)}
    await stage.vendors.google.edit_many(edits)


def first_one_way(count: int) -> Scenario:
    """A: records into an empty account."""

    async def prepare(stage: Stage) -> Worker:
        await stage.vendors.crm.populate(count, at=DAYS_AGO)
        return await stage.join(Direction.CRM_TO_GOOGLE)

    def plan() -> Plan:
        return Plan(view=ceil(count / VIEW_PAGE), listing=1, google_batch=ceil(count / GOOGLE_BATCH))

    return Scenario("A", "first, one-way, all to be made on Google", count, prepare, plan, {"created": count})


def first_two_way(count: int) -> Scenario:
    """B: so many of whom only the CRM knows, and as many of whom only Google knows."""
    people = google_people(count, seed=2)
    for one in people:
        for entry in one.get("emailAddresses", ()):
            entry["value"] = f"g.{entry['value']}"
    addresses = {entry["value"] for one in people for entry in one.get("emailAddresses", ())}
    companies = {entry["name"] for one in people for entry in one.get("organizations", ())[:1] if entry.get("name")}
    by_name = ceil(len(addresses) / COQL_NAMES) if len(addresses) <= SOUGHT_BY_NAME else ceil(count / COQL_ROWS)

    async def prepare(stage: Stage) -> Worker:
        await stage.vendors.crm.populate(count, at=DAYS_AGO)
        for start in range(0, count, 1000):
            await stage.vendors.google.add(people[start : start + 1000])
        return await stage.join(Direction.TWO_WAY)

    def plan() -> Plan:
        return Plan(
            view=ceil(count / VIEW_PAGE),
            listing=ceil(count / GOOGLE_PAGE),
            search=by_name,
            companies=ceil(len(companies) / COQL_NAMES),
            google_batch=ceil(count / GOOGLE_BATCH),
            crm_write=ceil(count / ZOHO_WRITE),
        )

    return Scenario(
        "B", "first, two-way, each half known to one side", 2 * count, prepare, plan, {"created": 2 * count}
    )


def first_equal(count: int) -> Scenario:
    """C: all pairs are there already and equal (a database that was lost)."""

    async def prepare(stage: Stage) -> Worker:
        await stage.vendors.crm.populate(count, at=DAYS_AGO)
        _require_success(await (await stage.join(Direction.CRM_TO_GOOGLE)).run())
        return await stage.join(Direction.TWO_WAY)

    def plan() -> Plan:
        return Plan(view=ceil(count / VIEW_PAGE), listing=ceil(count / GOOGLE_PAGE))

    return Scenario("C", "first, two-way, all pairs equal", count, prepare, plan, {"linked": count})


def later_one_way(count: int, changed: int) -> Scenario:
    """D: edits in the CRM."""

    async def prepare(stage: Stage) -> Worker:
        worker, ids = await _settled(stage, count)
        await _edit_records(stage, ids[:changed])
        return worker

    def plan() -> Plan:
        return Plan(
            deleted=1,
            changed=ceil(changed / VIEW_PAGE),
            question=1,
            listing=1,
            google_get=ceil(changed / GOOGLE_BATCH),
            google_batch=ceil(changed / GOOGLE_BATCH),
        )

    return Scenario("D", "later, edits in the CRM", changed, prepare, plan, {"updated": changed})


def later_mixed(count: int, made: int, changed: int, gone: int) -> Scenario:
    """E: new, edited and deleted records; at full size the brake asks for the deletes, and they are approved."""
    asked = gone > min(50, max(5, count // 10))

    async def prepare(stage: Stage) -> Worker:
        worker, ids = await _settled(stage, count, deletions=DeletePolicy.PROPAGATE)
        await _edit_records(stage, ids[:changed])
        await stage.vendors.crm.delete(*ids[changed : changed + gone])
        await stage.vendors.crm.add([_record(n) for n in range(made)])
        return worker

    def plan() -> Plan:
        return Plan(
            deleted=ceil(gone / VIEW_PAGE),
            changed=ceil((made + changed) / VIEW_PAGE),
            question=1,
            listing=1,
            ids=ceil(gone / ZOHO_WRITE),
            google_get=ceil(changed / GOOGLE_BATCH) + ceil(gone / GOOGLE_BATCH),
            google_batch=ceil(made / GOOGLE_BATCH) + ceil(changed / GOOGLE_BATCH) + ceil(gone / GOOGLE_DELETES),
        )

    wanted = {"created": made, "updated": changed, "held" if asked else "deleted": gone}
    contacts = made + changed + gone
    return Scenario("E", "later, new, edited and deleted records", contacts, prepare, plan, wanted)


def later_two_way(count: int, changed: int) -> Scenario:
    """F: edits on both sides, of different contacts."""

    async def prepare(stage: Stage) -> Worker:
        worker, ids = await _settled(stage, count)
        await _edit_records(stage, ids[:changed])
        emails = {one["id"]: one.get("Email") for one in await stage.vendors.crm.records()}
        edited = {emails[one] for one in ids[:changed]}
        people = [one for one in await stage.vendors.google.people() if not edited & _addresses(one)]
        await _edit_people(stage, [one["resourceName"] for one in people[:changed]])
        return worker

    def plan() -> Plan:
        return Plan(
            deleted=1,
            changed=ceil(changed / VIEW_PAGE),
            question=1,
            listing=1,
            google_get=ceil(changed / GOOGLE_BATCH),
            google_batch=ceil(changed / GOOGLE_BATCH),
            crm_write=ceil(changed / ZOHO_WRITE),
        )

    return Scenario("F", "later, edits on both sides", 2 * changed, prepare, plan, {"updated": 2 * changed})


def nothing_new(count: int) -> Scenario:
    """G: nothing changed."""

    async def prepare(stage: Stage) -> Worker:
        worker, _ = await _settled(stage, count)
        return worker

    def plan() -> Plan:
        return Plan(deleted=1, changed=1, listing=1)

    return Scenario("G", "later, nothing changed", 0, prepare, plan, {"unchanged": count})


def large_view(records: int, people: int) -> Scenario:
    """H: a view far larger than the account, which is full; memory is what matters."""

    async def prepare(stage: Stage) -> Worker:
        await stage.vendors.crm.populate(records, at=DAYS_AGO)
        everybody = google_people(people)
        for start in range(0, people, 1000):
            await stage.vendors.google.add(everybody[start : start + 1000])
        return await stage.join(Direction.TWO_WAY, limits=RunLimits(initial=10_000))

    def plan() -> Plan:
        return Plan(view=ceil(records / VIEW_PAGE), listing=ceil(people / GOOGLE_PAGE))

    text = f"first, a view of {records:,} and an account of {people:,}"
    return Scenario("H", text, records, prepare, plan, exact=False)


def _record(number: int) -> Json:
    return {"First_Name": f"New{number}", "Last_Name": f"Comer{number}", "Email": f"new{number}@example.org"}


def _addresses(person: Json) -> set[Any]:
    return {entry["value"] for entry in person.get("emailAddresses", ())}
