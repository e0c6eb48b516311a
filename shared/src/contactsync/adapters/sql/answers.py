"""What people ask of single pairs, kept until a run carries it out: who asks, and the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from contactsync.adapters.sql.audit import record_act_in
from contactsync.adapters.sql.database import Connection, Database
from contactsync.adapters.sql.effects import last_restorable
from contactsync.adapters.sql.vault import SqlVault
from contactsync.domain.actions import Action, Answer, Overwritten
from contactsync.domain.ids import ConfigId, LinkId, OrganisationId
from contactsync.errors import UnknownRowError
from contactsync.ports import audit
from contactsync.ports.state import RunSettings

_ASK: Final = """
INSERT INTO link_answers AS a (organisation_id, config_id, link_id, action, asked_at)
SELECT $1, $2::uuid, t.link_id, t.action, $5 FROM unnest($3::uuid[], $4::text[]) AS t(link_id, action)
CROSS JOIN LATERAL (
    SELECT 1 FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND link_id = t.link_id OFFSET 0
) s
ON CONFLICT (organisation_id, config_id, link_id) DO UPDATE SET action = excluded.action, asked_at = excluded.asked_at
"""
# Locked: an answer that is replaced meanwhile waits, and is then one more.
_ANSWERS: Final = """
SELECT link_id, action FROM link_answers WHERE organisation_id = $1 AND config_id = $2 ORDER BY asked_at, link_id
FOR UPDATE
"""
_HAND_ON: Final = """
WITH asked AS (
    DELETE FROM link_answers WHERE organisation_id = $1 AND config_id = $2 AND link_id = ANY($3::uuid[])
    RETURNING link_id, action, asked_at
)
INSERT INTO link_answers (organisation_id, config_id, link_id, action, asked_at)
SELECT $1, l.kept_by, a.link_id, a.action, a.asked_at FROM asked a JOIN links l ON l.link_id = a.link_id
WHERE l.organisation_id = $1
ON CONFLICT (organisation_id, config_id, link_id) DO UPDATE SET action = excluded.action, asked_at = excluded.asked_at
"""
_ANSWERED: Final = """
DELETE FROM link_answers WHERE organisation_id = $1 AND config_id = $2 AND link_id = ANY($3::uuid[])
"""


class SqlPairAnswers:
    """`PairAnswers` in PostgreSQL."""

    def __init__(self, database: Database, vault: SqlVault) -> None:
        self._database = database
        self._vault = vault

    async def ask(
        self, organisation_id: OrganisationId, config_id: ConfigId, answers: Sequence[Answer], now: datetime
    ) -> None:
        """Store answers for the next run of this configuration."""
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
    last = {answer.link_id: answer.action.value for answer in answers}
    columns = (list(last), list(last.values()))
    status = await connection.execute(_ASK, organisation_id, config_id, *columns, now)
    if int(status.split()[-1]) != len(last):
        raise UnknownRowError(details={"configuration": str(config_id)})


class SqlAnswerStore:
    """`AnswerStore` in one transaction of one run."""

    def __init__(self, connection: Connection, settings: RunSettings) -> None:
        self._connection = connection
        self._organisation = settings.organisation_id
        self._config = settings.config_id

    async def given(self) -> Sequence[Answer]:
        """What people asked of this configuration's pairs and no run has carried out."""
        rows = await self._connection.fetch(_ANSWERS, self._organisation, self._config)
        return [Answer(row["link_id"], Action(row["action"])) for row in rows]

    async def hand_on(self, link_ids: Sequence[LinkId]) -> None:
        """What was asked of these pairs through this configuration becomes an answer to their keepers."""
        if link_ids:
            await self._connection.execute(_HAND_ON, self._organisation, self._config, link_ids)

    async def done(self, link_ids: Sequence[LinkId]) -> None:
        """These pairs' answers are carried out."""
        await self._connection.execute(_ANSWERED, self._organisation, self._config, link_ids)
