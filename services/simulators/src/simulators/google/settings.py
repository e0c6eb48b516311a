"""What the Google simulator can be told; where published facts disagree, each reading is a setting."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulators.settings import SimulatorSettings

DEMO_CLIENT_ID = "simulated-client.apps.googleusercontent.com"
DEMO_CLIENT_SECRET = "simulated-client-secret"  # noqa: S105  opens nothing but the simulator

_WEEK_S = 7 * 24 * 3600.0
_LATENCY_S = {
    "people.connections.list": 0.9,
    "people.getBatchGet": 0.7,
    "people.batchCreateContacts": 3.0,
    "people.batchUpdateContacts": 3.0,
    "people.batchDeleteContacts": 2.0,
    "contactGroups.members.modify": 1.2,
    "*": 0.3,
}
"""Seconds; our own estimates, as Google publishes none."""


class OAuthClient(BaseModel):
    """A registered client: its secret and the exact redirect addresses it may use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str
    redirect_uris: list[str] = Field(default_factory=list)


class GoogleSettings(SimulatorSettings):
    """Settings of the Google simulator. Times in seconds."""

    # Quotas. Units: google.quota; the defaults are those reported in 2026 for a new project.
    quotas_enabled: bool = True
    quota_per_minute: dict[str, int] = Field(
        default_factory=lambda: {
            "critical_read_requests": 90,
            "critical_write_requests": 90,
            "read_requests": 120,
            "write_requests": 90,
        }
    )
    quota_per_day: dict[str, int] = Field(default_factory=lambda: {"daily_contact_writes": 100_000})
    full_syncs_per_minute: int = Field(default=10, ge=0)
    parallel_writes: Literal["allow", "refuse"] = "allow"

    # Propagation of writes to listings and deltas.
    visibility_delay_s: float = Field(default=0.0, ge=0)
    visibility_jitter_s: float = Field(default=0.0, ge=0)
    stale_reads: bool = False
    """get and batchGet show what listings show, instead of the true state."""
    group_visibility_delay_s: float = Field(default=0.0, ge=0)
    """For so long a new group cannot be named by other calls."""

    # Sync tokens.
    sync_token_lifetime_s: float = Field(default=_WEEK_S, gt=0)
    sync_token_sliding: bool = False
    """Count the lifetime from the last delta instead of from the full sync."""
    expired_sync_token: Literal["failed_precondition", "invalid_argument", "gone"] = "failed_precondition"  # noqa: S105  a kind of answer
    created_then_deleted: Literal["tombstone", "hide"] = "tombstone"

    # Shapes on which reports differ.
    page_size_over_limit: Literal["refuse", "clamp"] = "refuse"
    profile: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    """Fields of a public profile that every contact has, which reads that ask for profiles show first."""
    profile_unasked: bool = False
    """Show the profile to reads of contacts alone, too."""
    error_block: bool = False
    """Add the older `errors[]` block to error bodies."""
    shuffle_items: bool = False
    shuffle_results: bool = False
    batch_failures: Literal["whole", "per_item"] = "whole"
    batch_delete_unknown: Literal["refuse", "ignore"] = "refuse"
    contact_error_keys: Literal["resource_name", "contact_id"] = "resource_name"
    people_api_enabled: bool = True
    project_number: str = "100000000001"

    # Limits of an account and of a contact.
    max_contacts: int = Field(default=25_000, ge=0)
    trash_s: float = Field(default=30 * 24 * 3600.0, gt=0)
    max_fields: int = 500
    max_field_characters: int = 1_024
    max_contact_bytes: int = 128 * 1024

    # OAuth.
    clients: dict[str, OAuthClient] = Field(
        default_factory=lambda: {DEMO_CLIENT_ID: OAuthClient(secret=DEMO_CLIENT_SECRET)}
    )
    consent: Literal["page", "approve", "deny"] = "page"
    """Show the consent page, or answer for the user at once."""
    consent_account: str | None = None
    """Account (sub or e-mail) that `consent: approve` uses; without one, the login hint, else the first account."""
    consent_scopes: list[str] | None = None
    """Scopes that `consent: approve` grants among those asked for; without a list, all."""
    access_token_lifetime_s: float = Field(default=3599, gt=0)
    code_lifetime_s: float = Field(default=600, gt=0)
    publishing_status: Literal["production", "testing"] = "production"
    """`testing`: refresh tokens for more than sign-in scopes live seven days."""
    refresh_token_limit: int = Field(default=100, ge=1)
    refresh_token_idle_s: float = Field(default=182 * 24 * 3600.0, gt=0)
    time_limited_grant_s: float | None = Field(default=None, gt=0)
    """The user granted access for so long only."""
    rotate_refresh_tokens: bool = False

    def default_latency_s(self) -> dict[str, float]:
        """The latency table by operation."""
        return _LATENCY_S
