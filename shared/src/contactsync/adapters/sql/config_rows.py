"""What a run works with, from the row of its configuration."""

from __future__ import annotations

from typing import Any, Final

import asyncpg
import orjson

from contactsync.adapters.sql.codec import policy_from_json
from contactsync.ports.state import RunSettings

RUN_SETTINGS: Final = """
SELECT c.organisation_id, c.config_id, c.owner_id, c.crm_connection_id, c.google_connection_id, c.account_key,
       c.view_id, c.group_id, c.settings, c.version, c.first_done, c.first_taken, c.sync, o.region
FROM sync_configs c JOIN organisations o ON o.organisation_id = c.organisation_id
WHERE c.organisation_id = $1 AND c.config_id = $2
"""


def run_settings_from(row: asyncpg.Record) -> RunSettings:
    """The settings in a row of RUN_SETTINGS, with the version that the configuration has now."""
    stored: dict[str, Any] = orjson.loads(row["settings"])
    return RunSettings(
        organisation_id=row["organisation_id"],
        config_id=row["config_id"],
        owner_id=row["owner_id"],
        crm_connection_id=row["crm_connection_id"],
        google_connection_id=row["google_connection_id"],
        account=row["account_key"],
        view_id=row["view_id"],
        group_id=row["group_id"],
        policy=policy_from_json({**stored["policy"], "version": row["version"]}),
        region=row["region"],
        catch_up=stored["catch_up"],
    )
