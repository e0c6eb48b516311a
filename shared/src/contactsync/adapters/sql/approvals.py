"""Which runs ask about their deletes: those with planned ones that no open run is to carry out."""

from __future__ import annotations

from typing import Final

from contactsync.adapters.sql.database import Connection
from contactsync.domain.ids import ConfigId, OrganisationId, RunId

# Rows that somebody is answering just now are left to the end of the run that carries the answer out. Waiting for them
# could be waiting in a circle: an answer locks the run that asked before the open one.
_ASK_NO_MORE: Final = """
UPDATE runs SET state = 'partial' WHERE organisation_id = $1 AND run_id IN (
    SELECT run_id FROM runs r
    WHERE organisation_id = $1 AND config_id = $2 AND run_id <> $3 AND state = 'needs_approval' AND NOT EXISTS (
        SELECT FROM effects e WHERE e.organisation_id = $1 AND e.run_id = r.run_id AND e.state = 'planned')
    FOR UPDATE SKIP LOCKED
)
"""
_ASK_AGAIN: Final = """
UPDATE runs SET state = 'needs_approval', reason = '' WHERE organisation_id = $1 AND run_id IN (
    SELECT run_id FROM runs r
    WHERE organisation_id = $1 AND config_id = $2 AND state = 'partial' AND reason = 'deletes_approved' AND EXISTS (
        SELECT FROM effects e WHERE e.organisation_id = $1 AND e.run_id = r.run_id AND e.state = 'planned')
    AND NOT EXISTS (
        SELECT FROM runs o WHERE o.organisation_id = $1 AND o.config_id = $2
        AND o.state IN ('queued', 'running', 'waiting')
        AND (o.trigger = 'approval:' || r.run_id
             OR o.wishes @> jsonb_build_array(jsonb_build_object('trigger', 'approval:' || r.run_id))))
    FOR UPDATE SKIP LOCKED
)
"""


async def settle_questions(
    connection: Connection, organisation_id: OrganisationId, config_id: ConfigId, ended: RunId
) -> None:
    """Let the configuration's runs ask exactly as long as an answer means something; called when `ended` ended."""
    await connection.execute(_ASK_NO_MORE, organisation_id, config_id, ended)
    await connection.execute(_ASK_AGAIN, organisation_id, config_id)
