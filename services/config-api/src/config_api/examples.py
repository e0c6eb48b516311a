"""Examples in the description of the interface: one story, told in the models that travel.

Ada keeps her customers in both address books. By the name of the call (`description.OPERATIONS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from config_api.audit.schemas import AuditEvent, AuditEventPage
from config_api.configurations.schemas import (
    Backlog,
    CatchUp,
    Configuration,
    ConfigurationBody,
    ConfigurationPage,
    Limits,
    MappingRowBody,
    Status,
    Switch,
)
from config_api.connections.schemas import (
    AuthorizeAnswer,
    AuthorizeRequest,
    Connection,
    ConnectionList,
    ConnectionState,
    Disconnected,
)
from config_api.embed.schemas import EmbedSession, EmbedSessionBody
from config_api.forms.schemas import (
    CrmFieldItem,
    CrmFieldList,
    DefaultMapping,
    GoogleFieldItem,
    GoogleFieldList,
    GroupItem,
    GroupList,
    NewGroup,
    View,
    ViewAnswer,
    ViewList,
)
from config_api.me.schemas import AllowedDirection, Me, Permission
from config_api.pairs.schemas import (
    ActionAnswer,
    ActionRequest,
    ContactSide,
    ContactStatus,
    ContactStatusPage,
    Doubt,
    LastOutcome,
)
from config_api.runs.schemas import (
    EventsTicket,
    Progress,
    RequestedRun,
    Run,
    RunContact,
    RunContactPage,
    RunPage,
    RunRequest,
    SideProgress,
)
from config_api.webhooks.schemas import (
    Accepted,
    CreatedWebhookEndpoint,
    WebhookDelivery,
    WebhookDeliveryPage,
    WebhookEndpoint,
    WebhookEndpointBody,
    WebhookEndpointList,
)
from contactsync.domain.actions import Action
from contactsync.domain.catalogue import ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.frequency import Frequency
from contactsync.domain.link import PairState, Presence
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import CompanyRule, DeletePolicy, Direction, NoEmailRule
from contactsync.domain.rights import Right
from contactsync.ports import audit
from contactsync.ports.connections import Provider
from contactsync.ports.notices import Event, State
from contactsync.ports.state import Phase, RunState
from contactsync.ports.webhooks import Direction as WebhookDirection

_VIEW: Final = "5545974000000087501"
_GROUP: Final = "contactGroups/63f8c1a20c8e3a5b"
_RECORD: Final = "5545974000000412001"
_PERSON: Final = "people/c4178250164839271933"
_CONFIG: Final = UUID("6f1c3f0e-3f6e-4d0b-9a57-1c1f6c0f2a11")
_RUN: Final = UUID("8c2a5d3b-54f7-4f0d-8a43-0d5a1be3c722")
_LINK: Final = UUID("1d9be1b4-20b7-4f3c-b1a5-6be6a1a4d933")
_ENDPOINT: Final = UUID("d0a9b8c7-6d5e-4f3a-9b2c-1a0f9e8d7c44")
_USER: Final = UUID("3b7e2f9a-8c1d-4e6f-a5b4-c3d2e1f0a955")
_EVENT: Final = UUID("b5a4c3d2-e1f0-4a9b-8c7d-6e5f4a3b2c66")


def _at(hour: int, minute: int) -> datetime:
    return datetime(2026, 3, 1, hour, minute, tzinfo=UTC)


_NINE: Final = _at(9, 0)
_MAPPING: Final = [
    MappingRowBody(crm_field="Email", google_field="email_addresses[work]"),
    MappingRowBody(crm_field="First_Name", google_field="names.given_name"),
    MappingRowBody(crm_field="Last_Name", google_field="names.family_name"),
    MappingRowBody(crm_field="Mobile", google_field="phone_numbers[mobile]"),
]
_CONFIGURATION: Final = Configuration(
    id=_CONFIG,
    version=3,
    status=Status.ACTIVE,
    name="Customers",
    crm_view_id=_VIEW,
    google_group=_GROUP,
    direction=Direction.TWO_WAY,
    conflict_winner=Side.CRM,
    frequency=Frequency.HOURLY,
    mapping=_MAPPING,
    deletions=DeletePolicy.KEEP,
    no_email=NoEmailRule.MATCH,
    crm_values={"Lead_Source": "Google"},
    companies=CompanyRule.LEAVE,
    crm_automation=Switch.OFF,
    catch_up=CatchUp.NOW,
    last_sync_at=_at(9, 2),
    last_attempt_at=_at(9, 2),
    next_sync_at=_at(10, 3),
    backlog=Backlog(contacts=1240, runs=3, seconds=270),
    limits=Limits(first_run=10_000, later_runs=500),
    created_at=_NINE,
)
_SAVED: Final = _CONFIGURATION.model_copy(
    update={
        "version": 1,
        "last_sync_at": None,
        "last_attempt_at": None,
        "backlog": Backlog(contacts=0, runs=0, seconds=0),
        "run_id": _RUN,
    }
)
_QUEUED: Final = Run(
    id=_RUN,
    configuration_id=_CONFIG,
    state=RunState.QUEUED,
    mode="sync",
    trigger="user",
    first=False,
    created_at=_NINE,
    progress=Progress(
        phase=Phase.OBSERVE,
        percent=0,
        crm=SideProgress(read=0, complete=False, written=0),
        google=SideProgress(read=0, complete=False, written=0),
        to_write=0,
    ),
    counts=dict.fromkeys(Outcome, 0),
    selected=0,
    writes={},
    calls={},
    control_calls={},
)
_ENDED: Final = _QUEUED.model_copy(
    update={
        "state": RunState.SUCCEEDED,
        "started_at": _at(9, 1),
        "finished_at": _at(9, 2),
        "progress": Progress(
            phase=Phase.FINISH,
            percent=100,
            crm=SideProgress(read=12, complete=True, written=1),
            google=SideProgress(read=9, complete=True, written=8),
            to_write=0,
        ),
        "counts": {**dict.fromkeys(Outcome, 0), Outcome.CREATED: 8, Outcome.UPDATED: 1},
        "selected": 9,
        "writes": {"google.create": 8, "crm.update": 1},
        "calls": {"zoho.records.list": 1, "google.people.list": 1, "google.people.create": 1, "zoho.records.update": 1},
        "control_calls": {"zoho.rights": 1},
    }
)
_ANSWERING: Final = _QUEUED.model_copy(update={"mode": "approved_deletes", "trigger": f"approval:{_EVENT}"})
_HELD: Final = ContactStatus(
    link_id=_LINK,
    name="Ada Byron",
    state=PairState.SINGLE,
    crm=ContactSide(id=_RECORD, presence=Presence.PRESENT, in_scope=True, written_at=None),
    google=ContactSide(id=None, presence=Presence.UNKNOWN, in_scope=False, written_at=None),
    held=Doubt(
        reason="possible_duplicate",
        reason_text="There is a contact with this address and another name.",
        since=_at(9, 2),
        retry_at=None,
        may_be=[_PERSON],
    ),
    excluded=False,
    diverged=[],
    last=LastOutcome(run_id=_RUN, at=_at(9, 2), outcome=Outcome.HELD, reason="possible_duplicate", fields=[]),
    actions=[Action.EXCLUDE, Action.KEEP_APART, Action.SAME_PERSON],
)
_INCOMING: Final = WebhookEndpoint(
    id=_ENDPOINT,
    direction=WebhookDirection.INCOMING,
    name="CRM production",
    url=f"https://sync.example.com/webhooks/sync-requests/{_ENDPOINT}",
    events=[],
    created_at=_NINE,
)
_CREATED_ENDPOINT: Final = CreatedWebhookEndpoint(
    **_INCOMING.model_dump(),
    secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",  # noqa: S106  an example
)
_VIEW_ITEM: Final = View(
    id=_VIEW, name="My Customers", category="created_by_me", default=False, changes_by_the_hour=False
)
_GROUP_ITEM: Final = GroupItem(id=_GROUP, name="Customers", system=False, contacts=0)

_ANSWERS: Final[Mapping[str, BaseModel]] = {
    "get_me": Me(
        edition="enterprise",
        edition_allows_sync=True,
        permissions=[Permission(name=right, granted=True) for right in Right],
        directions=[AllowedDirection(direction=direction, allowed=True) for direction in Direction],
        checked_at=_NINE,
    ),
    "list_connections": ConnectionList(
        items=[
            Connection(
                provider=Provider.GOOGLE,
                state=ConnectionState.ACTIVE,
                account_name="ada@example.org",
                connected_at=_NINE,
            )
        ]
    ),
    "authorize_connection": AuthorizeAnswer(
        authorization_url="https://sync.example.com/oauth/google/start/f3kWq0Zt9mY2aXhPjQ7sR1uV"
    ),
    "end_connection": Disconnected(revoked=True),
    "list_crm_views": ViewList(items=[_VIEW_ITEM], read_at=_NINE),
    "get_crm_view": ViewAnswer(**_VIEW_ITEM.model_dump(), read_at=_NINE),
    "list_crm_fields": CrmFieldList(
        items=[
            CrmFieldItem(
                api_name="Mobile",
                label="Mobile",
                type=ValueKind.PHONE,
                max_length=30,
                writable=True,
                mandatory=False,
                custom=False,
            )
        ],
        read_at=_NINE,
    ),
    "list_google_groups": GroupList(items=[_GROUP_ITEM], read_at=_NINE),
    "create_google_group": _GROUP_ITEM,
    "list_google_fields": GoogleFieldList(
        items=[
            GoogleFieldItem(
                path="phone_numbers[*]",
                label="Phone",
                type=ValueKind.PHONE,
                types=["home", "work", "mobile"],
                max_length=1024,
            )
        ]
    ),
    "get_default_mapping": DefaultMapping(
        mapping=_MAPPING,
        more=[MappingRowBody(crm_field="Description", google_field="biographies")],
        read_at=_NINE,
    ),
    "create_sync_config": _SAVED,
    "list_sync_configs": ConfigurationPage(items=[_CONFIGURATION]),
    "get_sync_config": _CONFIGURATION,
    "replace_sync_config": _CONFIGURATION.model_copy(update={"version": 4, "run_id": _RUN}),
    "activate_sync_config": _CONFIGURATION.model_copy(update={"run_id": _RUN}),
    "deactivate_sync_config": _CONFIGURATION.model_copy(update={"status": Status.DEACTIVATED, "next_sync_at": None}),
    "list_contacts": ContactStatusPage(items=[_HELD]),
    "ask_for_contact": ActionAnswer(contact=_HELD.model_copy(update={"asked": Action.SAME_PERSON}), run_id=_RUN),
    "request_run": RequestedRun(run=_QUEUED),
    "list_runs": RunPage(items=[_ENDED]),
    "get_run": _ENDED,
    "list_run_contacts": RunContactPage(
        items=[
            RunContact(
                link_id=_LINK,
                crm_id=_RECORD,
                google_id=_PERSON,
                name="Ada Byron",
                outcome=Outcome.UPDATED,
                fields=["Mobile"],
                written=[Side.CRM],
                left_out={},
            )
        ]
    ),
    "cancel_run": _QUEUED.model_copy(
        update={"state": RunState.CANCELLED, "reason": "cancelled", "finished_at": _at(9, 1)}
    ),
    "approve_deletes": _ANSWERING,
    "refuse_deletes": _QUEUED,
    "create_events_ticket": EventsTicket(
        ticket="Zr8nB4yQ2wLk6TfXj0eHc3",
        events_url=f"/v1/runs/{_RUN}/events?ticket=Zr8nB4yQ2wLk6TfXj0eHc3",
        expires_in=60,
    ),
    "receive_sync_request": Accepted(configurations=1),
    "list_webhook_endpoints": WebhookEndpointList(items=[_INCOMING]),
    "create_webhook_endpoint": _CREATED_ENDPOINT,
    "rotate_webhook_secret": _CREATED_ENDPOINT,
    "list_webhook_deliveries": WebhookDeliveryPage(
        items=[
            WebhookDelivery(
                id=_EVENT,
                event=Event.RUN_FINISHED,
                occurred_at=_at(9, 2),
                state=State.DONE,
                attempts=1,
                status=204,
            )
        ]
    ),
    "create_embed_session": EmbedSession(
        url="https://sync.example.com/embed/f3kWq0Zt9mY2aXhPjQ7sR1uV", expires_at=_at(9, 5)
    ),
    "list_audit_events": AuditEventPage(
        items=[
            AuditEvent(
                id=_EVENT,
                at=_NINE,
                actor_id=_USER,
                action=audit.Action.CONFIGURATION_CHANGED,
                object_kind="configuration",
                object_id=str(_CONFIG),
                details={"changed": {"frequency": ["1h", "daily"], "mapping": None}},
            )
        ]
    ),
}
_BODIES: Final[Mapping[str, BaseModel]] = {
    "authorize_connection": AuthorizeRequest(return_url="https://crm.example.com/settings", display="popup"),
    "create_google_group": NewGroup(name="Customers"),
    "create_sync_config": ConfigurationBody(
        name="Customers", crm_view_id=_VIEW, google_group=_GROUP, direction=Direction.TWO_WAY
    ),
    "replace_sync_config": ConfigurationBody(
        name="Customers",
        crm_view_id=_VIEW,
        google_group=_GROUP,
        direction=Direction.TWO_WAY,
        frequency=Frequency.DAILY,
        deletions=DeletePolicy.FROM_CRM,
    ),
    "ask_for_contact": ActionRequest(action=Action.EXCLUDE),
    "request_run": RunRequest(mode="full"),
    "create_webhook_endpoint": WebhookEndpointBody(direction=WebhookDirection.INCOMING, name="CRM production"),
    "create_embed_session": EmbedSessionBody(return_path="/"),
}

ANSWERS: Final[Mapping[str, Any]] = {name: model.model_dump(mode="json") for name, model in _ANSWERS.items()}
"""What each call that succeeds is answered with, as JSON."""
BODIES: Final[Mapping[str, Any]] = {
    name: model.model_dump(mode="json", exclude_unset=True) for name, model in _BODIES.items()
}
"""What each call sends, as JSON."""
