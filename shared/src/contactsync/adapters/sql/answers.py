"""What people ask of single pairs, kept until a run carries it out: who asks, and the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import orjson

from contactsync.adapters.sql.audit import record_act_in
from contactsync.adapters.sql.codec import columns, dump
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.effects import last_restorable
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.actions import Action, Answer, Overwritten
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId
from contactsync.errors import UnknownRowError
from contactsync.ports import audit
from contactsync.ports.state import RunSettings

_ASK: Final = """
INSERT INTO link_answers AS a (organisation_id, link_id, action, rivals, asked_at)
SELECT $1, t.*, $6 FROM unnest($3::uuid[], $4::text[], $5::text[]) AS t(link_id, action, rivals)
CROSS JOIN LATERAL (
    SELECT 1 FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND link_id = t.link_id OFFSET 0
) s
ON CONFLICT (organisation_id, link_id) DO UPDATE SET action = excluded.action, rivals = excluded.rivals,
    asked_at = excluded.asked_at
"""
# Locked: an answer that is replaced meanwhile waits, and is then one more.
_ANSWERS: Final = """
SELECT link_id, action, rivals FROM link_answers a WHERE organisation_id = $1 AND (
    EXISTS (SELECT FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND link_id = a.link_id)
    OR EXISTS (SELECT FROM links WHERE organisation_id = $1 AND link_id = a.link_id AND account_key = $3)
    AND NOT EXISTS (
        SELECT FROM link_scopes s JOIN sync_configs c
            ON c.organisation_id = $1 AND c.config_id = s.config_id AND c.status = 'active'
        WHERE s.organisation_id = $1 AND s.link_id = a.link_id
    )
) ORDER BY asked_at, link_id
FOR UPDATE OF a
"""
_KEEPERS: Final = """
SELECT l.link_id, c.config_id FROM links l
JOIN sync_configs c ON c.organisation_id = $1 AND c.config_id = l.kept_by AND c.status = 'active'
WHERE l.organisation_id = $1 AND l.link_id = ANY($2::uuid[])
"""
_RUN_SOON: Final = """
UPDATE sync_configs SET next_due = least(next_due, $3::timestamptz)
WHERE organisation_id = $1 AND config_id = ANY($2::uuid[]) AND status = 'active'
"""
_ANSWERED: Final = "DELETE FROM link_answers WHERE organisation_id = $1 AND link_id = ANY($2::uuid[])"


class SqlPairAnswers:
    """`PairAnswers` in PostgreSQL."""

    def __init__(self, database: Database, vault: SqlVault) -> None:
        self._database = database
        self._vault = vault

    async def ask(
        self, organisation_id: OrganisationId, config_id: ConfigId, answers: Sequence[Answer], now: datetime
    ) -> None:
        """Store answers for the next run of whoever keeps the pairs."""
        async with self._database.tenant(organisation_id) as connection:
            await ask_in(connection, organisation_id, config_id, answers, now)
            for answer in answers:
                act, asked = audit.Action.CONTACT_DECIDED, answer.action.value
                await record_act_in(
                    connection, organisation_id, now, act, "link", answer.link_id, answer=asked, configuration=config_id
                )

    async def last_overwritten(self, organisation_id: OrganisationId, link_id: LinkId) -> Overwritten | None:
        """The newest write of the pair that can be restored."""
        async with self._database.tenant(organisation_id) as connection:
            sealer = (await self._vault.organisation_in(connection, organisation_id)).sealer
            effect = await last_restorable(connection, organisation_id, link_id, sealer)
        return None if effect is None else effect.overwritten()


async def ask_in(
    connection: Connection,
    organisation_id: OrganisationId,
    config_id: ConfigId,
    answers: Sequence[Answer],
    now: datetime,
) -> None:
    """Store answers within an open transaction of that organisation. Raises as `PairAnswers.ask`."""
    if not answers:
        return
    last = {answer.link_id: (answer.link_id, answer.action.value, dump(answer.rivals)) for answer in answers}
    status = await connection.execute(_ASK, organisation_id, config_id, *columns(last.values()), now)
    if int(status.split()[-1]) != len(last):
        raise UnknownRowError(details={"configuration": str(config_id)})


class SqlAnswerStore:
    """`AnswerStore` in one transaction of one run."""

    def __init__(self, connection: Connection, settings: RunSettings) -> None:
        self._connection = connection
        self._organisation = settings.organisation_id
        self._config = settings.config_id
        self._account = settings.account

    async def given(self) -> Sequence[Answer]:
        """What people asked of pairs that this configuration knows, or no active one."""
        rows = await self._connection.fetch(_ANSWERS, self._organisation, self._config, self._account)
        return [Answer(row["link_id"], Action(row["action"]), tuple(orjson.loads(row["rivals"]))) for row in rows]

    async def hand_on(self, link_ids: Sequence[LinkId], now: datetime) -> frozenset[LinkId]:
        """Let the keepers of these pairs run now; the pairs whose keeper is active, and will."""
        rows = await self._connection.fetch(_KEEPERS, self._organisation, link_ids) if link_ids else []
        keepers = sorted({row["config_id"] for row in rows})
        if keepers:
            await self._connection.execute(_RUN_SOON, self._organisation, keepers, now)
        return frozenset(row["link_id"] for row in rows)

    async def done(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers are carried out."""
        await self._connection.execute(_ANSWERED, self._organisation, link_ids)
