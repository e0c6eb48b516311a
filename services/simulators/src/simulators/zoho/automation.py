"""What writes set off: the organisation's workflow rule and its cadences.

A write without `trigger` starts everything; `[]` starts nothing; `workflow` in the list starts the rule.
Cadences start unless `skip_feature_execution` names them (Zoho CRM API v8, "Insert records").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from simulators.zoho.api import ApiCall
from simulators.zoho.errors import ZohoError
from simulators.zoho.records import Record

TRIGGERS: Final = frozenset({"workflow", "approval", "blueprint", "pathfinder", "orchestration"})


@dataclass(frozen=True, slots=True)
class Automation:
    """Which automation the call lets run."""

    workflow: bool
    cadences: bool

    def run(self, call: ApiCall, record: Record) -> None:
        """Carry out on a record that is about to be stored what the write sets off."""
        call.org.cadence_starts += self.cadences
        settings = call.settings
        if not (self.workflow and settings.workflow):
            return
        call.org.workflow_starts += 1
        name = settings.workflow_field
        if name is not None and name in call.fields.by_name:
            record.values[name] = settings.workflow_value
        if settings.workflow_webhook is not None:
            body = {"id": record.id, "module": call.module}
            call.world.channels.post(settings.workflow_webhook, body)


def of_body(body: dict[str, Any], action: str) -> Automation:
    """What the body of a create, update or upsert lets run. Raises ZohoError for a name that does not exist."""
    triggers = body.get("trigger")
    if triggers is not None and (not isinstance(triggers, list) or not set(map(str, triggers)) <= TRIGGERS):
        details = {"expected_data_type": "jsonarray", "api_name": "trigger", "json_path": "$.trigger"}
        raise ZohoError(400, "INVALID_DATA", "invalid data", details | {"supported_values": sorted(TRIGGERS)})
    skipped = body.get("skip_feature_execution") or []
    if not isinstance(skipped, list) or not all(isinstance(one, dict) for one in skipped):
        path = "$.skip_feature_execution"
        details = {"expected_data_type": "jsonarray", "api_name": "skip_feature_execution", "json_path": path}
        raise ZohoError(400, "INVALID_DATA", "invalid data", details)
    names = {one.get("name") for one in skipped if one.get("action", action) == action}
    return Automation(workflow=triggers is None or "workflow" in triggers, cadences="cadences" not in names)
