"""The scheduler over a database: ticks, replicas, downtime, backlogs, alarms."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from config_api.resources import LOCAL_USER
from config_api.scheduler.freshness import FreshnessWatch
from config_api.scheduler.scheduler import Scheduler
from contactsync.adapters.sql.freshness import SqlFreshness
from contactsync.adapters.sql.requests import SqlRunSweeper
from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId
from contactsync.domain.link import Hold
from contactsync.domain.reasons import Reason
from contactsync.ports.state import Effect, EffectState, Run, RunState
from contactsync.telemetry import metrics
from tests.integration.config_api.conftest import Desk
from tests.integration.config_api.working import pair, working

pytestmark = pytest.mark.postgres

HOUR = timedelta(hours=1)


def scheduler(desk: Desk) -> Scheduler:
    return Scheduler(SqlRunSweeper(desk.resources.foundation.database, desk.resources.requests), desk.clock)


async def runs(desk: Desk, config_id: str) -> list[Any]:
    found: list[Any] = (await desk.get(f"/v1/sync-configs/{config_id}/runs"))["items"]
    return found


async def work_off(desk: Desk, saved: dict[str, Any], run_id: str | None = None, **counts: int) -> None:
    """The open run begins and ends at once."""
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, saved["id"], run_id or saved["run_id"], account) as work, work.begin() as tx:
        ended = replace(work.run, state=RunState.SUCCEEDED, counts=counts)
        await tx.runs.finish(ended, next_due=desk.clock.now() + timedelta(minutes=1) if counts else None)


async def next_sync(desk: Desk, saved: dict[str, Any]) -> datetime:
    return datetime.fromisoformat((await desk.get(f"/v1/sync-configs/{saved['id']}"))["next_sync_at"])


async def test_each_tick_makes_one_run_whatever_the_number_of_schedulers(desk: Desk) -> None:
    saved = await desk.save(frequency="5m")
    await work_off(desk, saved)
    due = await next_sync(desk, saved)
    assert timedelta(minutes=5) <= due - desk.clock.now() < timedelta(minutes=5.5)
    desk.clock.advance_to(due)
    await asyncio.gather(*(scheduler(desk).look() for _ in range(4)))
    assert [run["trigger"] for run in await runs(desk, saved["id"])] == ["schedule", "user"]
    assert await next_sync(desk, saved) == due + timedelta(minutes=5)


async def test_after_a_downtime_there_is_one_run_and_the_ticks_stand_where_they_stood(desk: Desk) -> None:
    saved = await desk.save(frequency="15m")
    await work_off(desk, saved)
    due = await next_sync(desk, saved)
    desk.clock.advance(timedelta(days=3))
    for _ in range(3):
        await scheduler(desk).look()
    assert len(await runs(desk, saved["id"])) == 2
    assert (await next_sync(desk, saved) - due) % timedelta(minutes=15) == timedelta()
    assert timedelta() < await next_sync(desk, saved) - desk.clock.now() <= timedelta(minutes=15)


async def test_a_tick_during_a_run_is_left_out(desk: Desk) -> None:
    saved = await desk.save(frequency="5m")
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, saved["id"], saved["run_id"], account) as work:
        desk.clock.advance(timedelta(minutes=6))
        await scheduler(desk).look()
        async with work.begin() as tx:
            await tx.runs.finish(replace(work.run, state=RunState.SUCCEEDED), next_due=None)
    assert [run["state"] for run in await runs(desk, saved["id"])] == ["succeeded"]


async def test_a_backlog_is_worked_off_before_the_next_tick(desk: Desk) -> None:
    saved = await desk.save(frequency="daily")
    await work_off(desk, saved, waiting=700)
    assert await next_sync(desk, saved) == desk.clock.now() + timedelta(minutes=1)
    desk.clock.advance(timedelta(minutes=1))
    await scheduler(desk).look()
    later, _ = await runs(desk, saved["id"])
    await work_off(desk, saved, later["id"])
    assert await next_sync(desk, saved) - desk.clock.now() > timedelta(hours=23)


async def test_a_manual_configuration_is_never_started(desk: Desk) -> None:
    saved = await desk.save(frequency="manual")
    assert saved["next_sync_at"] is None
    await work_off(desk, saved)
    desk.clock.advance(timedelta(days=30))
    await scheduler(desk).look()
    assert len(await runs(desk, saved["id"])) == 1


async def test_another_frequency_counts_from_the_same_activation(desk: Desk) -> None:
    saved = await desk.save(frequency="daily")
    desk.clock.advance(HOUR)
    body = {"crm_view_id": saved["crm_view_id"], "google_group": saved["google_group"], "direction": "two_way"}
    headers = {"If-Match": f'"{saved["version"]}"'}
    changed = await desk.api.put(f"/v1/sync-configs/{saved['id']}", json={**body, "frequency": "5m"}, headers=headers)
    assert (
        timedelta() < datetime.fromisoformat(changed.json()["next_sync_at"]) - desk.clock.now() <= timedelta(minutes=5)
    )


async def test_two_missed_intervals_raise_one_alarm_until_a_run_succeeds(desk: Desk) -> None:
    saved = await desk.save()
    watch = FreshnessWatch(SqlFreshness(desk.resources.foundation.database), desk.clock)

    async def alarms() -> list[Any]:
        with capture_logs() as logs:
            await watch.look()
        return [line["config_id"] for line in logs if line["event"] == "sync.configuration.overdue"]

    desk.clock.advance(2 * HOUR)
    assert await alarms() == []
    desk.clock.advance(timedelta(seconds=1))
    assert await alarms() == [saved["id"]]
    assert await alarms() == []
    assert metrics.REGISTRY.get_sample_value("contactsync_overdue_configurations") == 1
    activated = (desk.clock.now() - 2 * HOUR - timedelta(seconds=1)).timestamp()
    assert metrics.REGISTRY.get_sample_value("contactsync_last_success_timestamp_seconds") == activated
    await work_off(desk, saved)
    assert await alarms() == []
    assert metrics.REGISTRY.get_sample_value("contactsync_overdue_configurations") == 0
    assert metrics.REGISTRY.get_sample_value("contactsync_last_success_timestamp_seconds") == 0


async def test_runs_that_wait_are_counted_by_what_they_wait_for(desk: Desk) -> None:
    saved = await desk.save()
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, saved["id"], saved["run_id"], account) as work, work.begin() as tx:
        until = desk.clock.now() + HOUR
        await tx.runs.save(
            replace(work.run, state=RunState.WAITING, reason=Reason.CRM_CREDITS, wait_until=until, slice=1)
        )
    watch = FreshnessWatch(SqlFreshness(desk.resources.foundation.database), desk.clock)

    def waiting() -> float | None:
        return metrics.REGISTRY.get_sample_value("contactsync_waiting_runs", {"reason": "crm_credits"})

    await watch.look()
    assert waiting() == 1
    desk.clock.advance(HOUR)
    await watch.look()
    assert waiting() is None


async def test_what_is_held_and_what_nobody_knows_is_counted(desk: Desk) -> None:
    saved = await desk.save()
    now = desk.clock.now()
    holds = (
        Hold(reason=Reason.AMBIGUOUS_MATCH, since=now),
        Hold(reason=Reason.REJECTED_BY_PROVIDER, since=now, retry_at=now + HOUR),
        Hold(reason=Reason.REJECTED_BY_PROVIDER, since=now, retry_at=now + 2 * HOUR),
    )
    account = desk.accounts.known[LOCAL_USER.user_id].account
    async with working(desk.resources, saved["id"], saved["run_id"], account) as work, work.begin() as tx:
        await tx.links.save([replace(pair(number), hold=hold) for number, hold in enumerate(holds)])
        sent = [effect(work.run, sent_at=now - ago) for ago in (timedelta(), timedelta(minutes=6), timedelta(hours=1))]
        await tx.effects.add(sent)
        await tx.effects.settle([replace(sent[1], state=EffectState.UNKNOWN)])
    watch = FreshnessWatch(SqlFreshness(desk.resources.foundation.database), desk.clock)

    def counted() -> list[float | None]:
        read = metrics.REGISTRY.get_sample_value
        held = [read("contactsync_held_records", {"until": until}) for until in ("answer", "date")]
        return [*held, read("contactsync_unknown_effects")]

    await watch.look()
    assert counted() == [1, 2, 2]
    desk.clock.advance(HOUR)
    await watch.look()
    assert counted() == [1, 1, 3]


def effect(run: Run, sent_at: datetime) -> Effect:
    """A write that was sent."""
    return Effect(
        effect_id=EffectId(uuid4()),
        run_id=run.run_id,
        link_id=pair(1).link_id,
        side=Side.GOOGLE,
        kind=EffectKind.CREATE,
        batch=uuid4(),
        sent_at=sent_at,
    )


async def test_settled_writes_are_counted_by_side_kind_and_outcome(desk: Desk) -> None:
    saved = await desk.save()
    account = desk.accounts.known[LOCAL_USER.user_id].account
    labels = {"side": "google", "kind": "create", "outcome": "confirmed"}
    before = metrics.REGISTRY.get_sample_value("contactsync_effects_total", labels) or 0
    async with working(desk.resources, saved["id"], saved["run_id"], account) as work, work.begin() as tx:
        sent = [effect(work.run, sent_at=desk.clock.now()) for _ in range(3)]
        await tx.effects.add(sent)
        await tx.effects.settle([replace(one, state=EffectState.CONFIRMED) for one in sent[:2]])
    assert metrics.REGISTRY.get_sample_value("contactsync_effects_total", labels) == before + 2


async def test_the_connections_of_the_pool_are_measured(desk: Desk) -> None:
    def in_use() -> float | None:
        return metrics.REGISTRY.get_sample_value("contactsync_database_pool_connections_in_use")

    assert in_use() == 0
    async with desk.resources.foundation.database.untenanted():
        assert in_use() == 1
        size = metrics.REGISTRY.get_sample_value("contactsync_database_pool_connections")
        assert size is not None
        assert size >= 1
    assert in_use() == 0
