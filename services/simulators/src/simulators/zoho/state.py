"""The simulator's whole state as JSON values, for tests that compare and for people who look."""

from __future__ import annotations

from typing import Any

from simulators.zoho import limits, times
from simulators.zoho.organisation import Organisation
from simulators.zoho.records import Record
from simulators.zoho.world import World


def snapshot(world: World) -> dict[str, Any]:
    """Organisations with people, views, records and recycle bins; grants without their secrets."""
    return {
        "organisations": {zgid: organisation_state(world, org) for zgid, org in world.organisations.items()},
        "grants": [
            {"client_id": one.consent.client_id, "user_id": one.consent.user_id, "access_tokens": len(one.access)}
            for one in world.accounts.grants.values()
        ],
        "channels": [
            {"id": one.id, "user_id": one.user_id, "events": one.events, "expires": times.show(one.expires, "UTC")}
            for one in world.channels.by_key.values()
        ],
    }


def organisation_state(world: World, org: Organisation) -> dict[str, Any]:
    """One organisation."""
    return {
        "name": org.name,
        "data_centre": org.data_centre,
        "edition": org.license.edition,
        "users": {one.id: {"email": one.email, "active": one.active} for one in org.users.values()},
        "profiles": {one.name: {"id": one.id, "enabled": sorted(one.enabled)} for one in org.profiles.values()},
        "views": {one.id: {"module": one.module, "name": one.name} for one in org.views.values()},
        "credits_spent": limits.spent(org, world.now),
        "workflow_starts": org.workflow_starts,
        "cadence_starts": org.cadence_starts,
        "records": {module: [record_state(one) for one in store.all()] for module, store in org.stores.items()},
        "deleted": {
            module: [
                {"id": one.record.id, "type": one.kind, "at": times.show(one.at, "UTC")}
                for one in store.deleted(world.now)
            ]
            for module, store in org.stores.items()
        },
    }


def record_state(record: Record) -> dict[str, Any]:
    """One record with its system fields; empty fields are absent, lookups are ids."""
    return {
        **record.values,
        "id": record.id,
        "Owner": record.owner,
        "Created_By": record.created_by,
        "Modified_By": record.modified_by,
        "Created_Time": times.show(record.created, "UTC"),
        "Modified_Time": times.show(record.modified, "UTC"),
    }
