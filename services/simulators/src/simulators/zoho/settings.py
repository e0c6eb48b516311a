"""The switches of the simulated CRM, each with the value that the vendor is closest to."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulators.settings import SimulatorSettings

LATENCIES_S: Final = {
    "contacts.list*": 0.45,
    "contacts.insert": 0.70,
    "contacts.update": 0.70,
    "contacts.upsert": 0.80,
    "accounts.insert": 0.70,
    "accounts.upsert": 0.80,
    "coql.query": 0.45,
    "oauth.token": 0.25,
    "*": 0.30,
}
"""Seconds that calls are assumed to take at scale 1; `contacts.list*` stands for all four kinds of listing."""


DEMO_CLIENT_ID = "1000.SIMULATEDCLIENT"
DEMO_CLIENT_SECRET = "simulated-client-secret"  # noqa: S105  opens nothing but the simulator


class OAuthClient(BaseModel):
    """A registered application: secrets by data centre, and the exact addresses that codes go to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str
    secrets: dict[str, str] = Field(default_factory=dict)
    """Secrets of data centres that differ."""
    redirect_uris: list[str] = Field(default_factory=list)
    """Empty: any address on the loopback."""
    multi_dc: bool = True


class ZohoSettings(SimulatorSettings):
    """How the simulator behaves; changed at run time through the control interface."""

    clients: dict[str, OAuthClient] = Field(
        default_factory=lambda: {DEMO_CLIENT_ID: OAuthClient(secret=DEMO_CLIENT_SECRET)}
    )
    """Applications known from the start."""
    quotas_enabled: bool = True
    """Daily credits, concurrency and the throttles of the accounts server are in force."""
    credits: int | None = Field(default=None, ge=0)
    """Daily credits of every organisation, instead of what its edition has."""
    visibility_delay_s: int = Field(default=0, ge=0)
    """For how long lists, COQL and the deleted list go on showing the former state of what was written."""
    index_delay_s: int = Field(default=60, ge=0)
    """For how long search misses a record that was written."""
    modified_since: Literal["after", "at_or_after"] = "after"
    """Whether If-Modified-Since counts the named second itself; the vendor does not say."""
    unmodified_since: Literal["record", "call"] = "record"
    """What If-Unmodified-Since refuses of many records: those that moved, or the whole call, naming one of them."""
    coql_views: bool = True
    """Whether `from Contacts#view` is understood."""
    coql_pairs: bool = True
    """Whether more than two conditions must nest in pairs by brackets."""
    paging: Literal["keyset", "offset"] = "keyset"
    """Whether a page token goes on after the last record served, or counts rows as they are by then."""
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    """What a write does with an API name that does not exist; documents and integrators differ."""
    id_alone: bool = False
    """Whether a list may ask for the field `id` and no other."""
    workflow: bool = True
    """Whether a rule stands on create and edit; it starts unless the write says otherwise."""
    workflow_field: str | None = "Lead_Source"
    """Field that the rule sets; None: it changes nothing."""
    workflow_value: str = "Web Download"
    workflow_webhook: str | None = None
    """Loopback address that the rule posts the record's id to."""
    expired_token_code: Literal["INVALID_TOKEN", "AUTHENTICATION_FAILURE"] = "INVALID_TOKEN"  # noqa: S105  an error code
    consent: Literal["ask", "approve", "refuse"] = "ask"
    """Whether the consent page is shown or answered at once."""
    consent_user: str | None = None
    """Id of the user who answers at once; without one, the first active user."""
    merged_appear_as: Literal["recycle", "permanent", "nothing"] = "permanent"
    """How the records that a merge swallowed stand in the deleted list; the vendor does not say."""
    bulk_duration_s: int = Field(default=4, ge=1)
    """How long a bulk read takes."""
    drop_notifications: bool = False
    duplicate_notifications: bool = False
    reorder_notifications: bool = False

    def default_latency_s(self) -> dict[str, float]:
        """Assumed latencies, by operation."""
        listings = {f"contacts.list{kind}": LATENCIES_S["contacts.list*"] for kind in ("", ".view", ".changes", ".ids")}
        return LATENCIES_S | listings
