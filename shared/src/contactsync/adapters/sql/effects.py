"""The ledger of effects in PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from contactsync.adapters.sql.codec import columns
from contactsync.adapters.sql.database import Connection
from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.ids import EffectId, LinkId, OrganisationId, RunId
from contactsync.errors import StateInvariantError
from contactsync.ports.clock import Clock
from contactsync.ports.state import Effect, EffectState, Run
from contactsync.ports.vault import SealContext, Sealer
from contactsync.telemetry import metrics

_COLUMNS: Final = (
    "effect_id, run_id, link_id, side, kind, batch, state, remote_id, after_base, sent_at, attempt, reason, "
    "revision, sealed"
)
_ADD: Final = f"""
INSERT INTO effects (organisation_id, config_id, fence, recorded_at, {_COLUMNS})
SELECT $1, $2::uuid, $3::bigint, $4::timestamptz, {_COLUMNS} FROM unnest(
    $5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::bytea[],
    $14::timestamptz[], $15::integer[], $16::text[], $17::text[], $18::bytea[]
) WITH ORDINALITY AS t({_COLUMNS}, place) ORDER BY place
"""  # noqa: S608 # names of our own columns
_SETTLE: Final = """
UPDATE effects e SET state = t.state, remote_id = t.remote_id, revision = t.revision, attempt = t.attempt,
    reason = t.reason, sent_at = t.sent_at, fence = $2
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[], $9::timestamptz[])
    AS t(effect_id, state, remote_id, revision, attempt, reason, sent_at)
WHERE e.organisation_id = $1 AND e.effect_id = t.effect_id
"""
_UNSETTLED: Final = f"""
SELECT {_COLUMNS} FROM effects
WHERE organisation_id = $1 AND config_id = $2 AND state IN ('sending', 'unknown') ORDER BY ordinal
"""  # noqa: S608 # names of our own columns
_UNDER_WAY: Final = """
SELECT DISTINCT link_id FROM effects
WHERE organisation_id = $1 AND config_id <> $2 AND state IN ('sending', 'unknown') AND kind = 'create' AND sent_at >= $3
"""
_BEGUN: Final = """
SELECT DISTINCT e.link_id FROM effects e CROSS JOIN LATERAL (
    SELECT taken_by FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND link_id = e.link_id OFFSET 0
) s
WHERE e.organisation_id = $1 AND e.run_id = $3 AND e.config_id = $2 AND s.taken_by IS DISTINCT FROM $3
"""
_PLANNED: Final = f"""
SELECT {_COLUMNS} FROM effects WHERE organisation_id = $1 AND run_id = $2 AND state = 'planned' ORDER BY ordinal
"""  # noqa: S608 # names of our own columns
_AWAITING: Final = f"""
SELECT {_COLUMNS} FROM effects WHERE organisation_id = $1 AND config_id = $2 AND state = 'planned' ORDER BY ordinal
"""  # noqa: S608 # names of our own columns
_BY_ID: Final = f"""
SELECT {_COLUMNS} FROM effects WHERE organisation_id = $1 AND effect_id = ANY($2::uuid[])
"""  # noqa: S608 # names of our own columns
_LAST_OF: Final = f"""
SELECT {_COLUMNS} FROM unnest($2::uuid[]) AS w CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM effects
    WHERE organisation_id = $1 AND link_id = w AND kind IN ('update', 'delete')
      AND (state = 'confirmed' OR state = 'rejected' AND reason = 'outcome_unknown')
    ORDER BY ordinal DESC LIMIT 1
) e
"""  # noqa: S608 # names of our own columns

_UPDATES_SINCE: Final = f"""
SELECT {_COLUMNS} FROM unnest($2::uuid[]) AS w CROSS JOIN LATERAL (
    SELECT {_COLUMNS}, ordinal FROM effects
    WHERE organisation_id = $1 AND link_id = w AND kind = 'update' AND state = 'confirmed' AND sent_at >= $3
    ORDER BY ordinal DESC OFFSET 0
) e ORDER BY ordinal
"""  # noqa: S608 # names of our own columns


class SqlEffects:
    """`EffectStore` in one transaction of one run; every row carries the fence under which it was written."""

    def __init__(self, connection: Connection, run: Run, fence: int, sealer: Sealer, clock: Clock) -> None:
        self._connection = connection
        self._organisation = run.settings.organisation_id
        self._config = run.settings.config_id
        self._fence = fence
        self._sealer = sealer
        self._clock = clock

    async def add(self, effects: Sequence[Effect]) -> None:
        """Insert effects (a batch is one transition with one batch id)."""
        if not effects:
            return
        arrays = columns(self._row(effect) for effect in effects)
        try:
            await self._connection.execute(
                _ADD, self._organisation, self._config, self._fence, self._clock.now(), *arrays
            )
        except asyncpg.UniqueViolationError as error:
            raise StateInvariantError("an effect exists") from error

    def _row(self, effect: Effect) -> tuple[object, ...]:
        sealed = None
        if effect.changes or effect.before:
            plain = orjson.dumps([dict(effect.changes), dict(effect.before)])
            sealed = self._sealer.seal(plain, effect_context(self._organisation, effect.effect_id))
        return (
            effect.effect_id,
            effect.run_id,
            effect.link_id,
            effect.side.value,
            effect.kind.value,
            effect.batch,
            effect.state.value,
            effect.remote_id,
            effect.after_base,
            effect.sent_at,
            effect.attempt,
            effect.reason,
            effect.revision,
            sealed,
        )

    async def settle(self, effects: Sequence[Effect]) -> None:
        """Store the state, remote id, revision, attempt and reason of effects that were added before."""
        if not effects:
            return
        rows = [(e.effect_id, e.state.value, e.remote_id, e.revision, e.attempt, e.reason, e.sent_at) for e in effects]
        arrays = columns(rows)
        status = await self._connection.execute(_SETTLE, self._organisation, self._fence, *arrays)
        if int(status.split()[-1]) != len(effects):
            raise StateInvariantError("no such effect")
        for kinds, number in Counter((e.side.value, e.kind.value, e.state.value) for e in effects).items():
            metrics.EFFECTS.labels(*kinds).inc(number)

    async def unsettled(self) -> Sequence[Effect]:
        """Effects of this configuration that are `sending` or `unknown`, oldest first, with their values."""
        rows = await self._connection.fetch(_UNSETTLED, self._organisation, self._config)
        return [self._effect(row) for row in rows]

    async def under_way(self, since: datetime) -> frozenset[LinkId]:
        """Links of which other configurations sent creates since then that have no answer."""
        rows = await self._connection.fetch(_UNDER_WAY, self._organisation, self._config, since)
        return frozenset(LinkId(row["link_id"]) for row in rows)

    async def begun(self, run_id: RunId) -> frozenset[LinkId]:
        """Links with effects of this run that the run has not settled: already counted."""
        rows = await self._connection.fetch(_BEGUN, self._organisation, self._config, run_id)
        return frozenset(row["link_id"] for row in rows)

    async def planned(self, run_id: RunId) -> Sequence[Effect]:
        """The deletes of a run that await approval."""
        rows = await self._connection.fetch(_PLANNED, self._organisation, run_id)
        return [self._effect(row) for row in rows]

    async def awaiting(self) -> Sequence[Effect]:
        """The deletes of this configuration that await approval, oldest first."""
        rows = await self._connection.fetch(_AWAITING, self._organisation, self._config)
        return [self._effect(row) for row in rows]

    async def by_ids(self, effect_ids: Sequence[EffectId]) -> Mapping[EffectId, Effect]:
        """Effects by id, with the values that are still kept."""
        rows = await self._connection.fetch(_BY_ID, self._organisation, effect_ids) if effect_ids else []
        return {row["effect_id"]: self._effect(row) for row in rows}

    async def last_of(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Effect]:
        """The newest confirmed update or delete of each pair."""
        rows = await self._connection.fetch(_LAST_OF, self._organisation, link_ids) if link_ids else []
        return {row["link_id"]: self._effect(row) for row in rows}

    async def updates_since(self, link_ids: Sequence[LinkId], since: datetime) -> Mapping[LinkId, Sequence[Effect]]:
        """Confirmed updates of these pairs that were sent since then, oldest first."""
        rows = await self._connection.fetch(_UPDATES_SINCE, self._organisation, link_ids, since) if link_ids else []
        found: dict[LinkId, list[Effect]] = {}
        for row in rows:
            found.setdefault(row["link_id"], []).append(self._effect(row))
        return found

    def _effect(self, row: asyncpg.Record) -> Effect:
        return effect_from(row, self._organisation, self._sealer)


async def last_restorable(
    connection: Connection, organisation_id: OrganisationId, link_id: LinkId, sealer: Sealer
) -> Effect | None:
    """The newest confirmed update or delete of a pair."""
    row = await connection.fetchrow(_LAST_OF, organisation_id, [link_id])
    return None if row is None else effect_from(row, organisation_id, sealer)


def effect_context(organisation_id: OrganisationId, effect_id: EffectId) -> SealContext:
    """What an effect's values are bound to."""
    return SealContext(organisation_id, str(effect_id), "effects.sealed")


def effect_from(row: asyncpg.Record, organisation_id: OrganisationId, sealer: Sealer) -> Effect:
    """The effect in a row of the ledger; without values when these were erased."""
    changes, before = {}, {}
    if row["sealed"] is not None:
        changes, before = orjson.loads(sealer.open(row["sealed"], effect_context(organisation_id, row["effect_id"])))
    return Effect(
        effect_id=row["effect_id"],
        run_id=row["run_id"],
        link_id=row["link_id"],
        side=Side(row["side"]),
        kind=EffectKind(row["kind"]),
        batch=row["batch"],
        state=EffectState(row["state"]),
        remote_id=row["remote_id"],
        changes=changes,
        before=before,
        after_base=row["after_base"],
        sent_at=row["sent_at"],
        attempt=row["attempt"],
        reason=row["reason"],
        revision=row["revision"],
    )
