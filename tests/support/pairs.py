"""Pairs that a test puts into the database without any run."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from contactsync.adapters.sql.database import Connection, Database
from contactsync.domain.ids import OrganisationId


async def put_pair(
    database: Database, organisation_id: OrganisationId, config_id: UUID, *, crm_id: str = "", crm_revision: str = ""
) -> UUID:
    """A linked pair in the scope of that configuration, without values; its id."""
    link_id = uuid4()
    async with database.tenant(organisation_id) as connection:
        account, now = await _config(connection, config_id)
        link: dict[str, Any] = {
            "organisation_id": organisation_id,
            "link_id": link_id,
            "account_key": account,
            "state": "linked",
            "reason": "",
            "crm_id": crm_id or str(link_id.int)[:19],
            "google_id": f"people/c{str(link_id.int)[:18]}",
            "touched_at": now,
            "excluded": False,
        }
        for side in ("crm", "google"):
            link |= {f"{side}_presence": "present", f"{side}_revision": "", f"{side}_written_revision": ""}
            link |= {f"{side}_{name}": b"" for name in ("base", "seen", "keys")} | {f"{side}_confirmed": True}
        link["crm_written_revision"] = crm_revision
        await _insert(connection, "links", link)
        scope: dict[str, Any] = {"organisation_id": organisation_id, "config_id": config_id, "link_id": link_id}
        for side in ("crm", "google"):
            scope |= {f"{side}_in_scope": True, f"{side}_seen_in_scope": True, f"{side}_listing": 1}
        await _insert(connection, "link_scopes", {**scope, "dormant": False})
    return link_id


async def _config(connection: Connection, config_id: UUID) -> tuple[bytes, object]:
    row = await connection.fetchrow("SELECT account_key, created_at FROM sync_configs WHERE config_id = $1", config_id)
    assert row is not None
    return row["account_key"], row["created_at"]


async def _insert(connection: Connection, table: str, values: dict[str, Any]) -> None:
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"  # noqa: S608  our own names
    await connection.execute(statement, *values.values())
