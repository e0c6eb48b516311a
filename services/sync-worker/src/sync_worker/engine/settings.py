"""Figures that the engine works with; each can be set, and the tests set the waiting times short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Brake:
    """How many deletes a run may make on a side without asking: a share of the pairs, within bounds."""

    percent: int = 10
    minimum: int = 5
    maximum: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Times, sizes and limits of a run (docs/operations.md, settings; the provider limits are in the connectors)."""

    slice_budget: timedelta = timedelta(seconds=60)
    """A slice begins nothing new after this."""
    visibility_wait: timedelta = timedelta(minutes=15)
    """How long a listing may lag behind our own writes (People API: "several minutes")."""
    crm_overlap: timedelta = timedelta(seconds=120)
    """How far before the watermark changes are asked for again (`Modified_Time` has whole seconds)."""
    full_every: timedelta = timedelta(hours=24)
    """Both sides are read in full this often; renews Google's sync token, which lives seven days."""
    view_full_every: timedelta = timedelta(hours=6)
    """Where the CRM refuses to answer which changed records a view holds, the view is read in full this often."""
    told_pause: timedelta = timedelta(seconds=10)
    """How soon the CRM is read again when its list does not show yet what it said had changed."""
    told_wait: timedelta = timedelta(minutes=2)
    """For how long that is tried; what it shows later is read by the next run in any case."""
    crm_fresh_for: timedelta = timedelta(seconds=60)
    """A CRM record observed longer ago is read again before it is written."""
    failures_in_a_row: int = 5
    """So many runs that fail for the same reason, for which there is no other rule, pause the configuration."""
    stale_tries: int = 1
    """How often a contact that changed under our hands is decided again at once."""
    stale_waits: int = 3
    """How often the run waits a moment for contacts that go on changing, before it leaves them to the next one."""
    chunk: int = 1000
    """Pairs decided together."""
    queued: int = 2000
    """Decided pairs kept in memory until their batches are full."""
    search_pass_above: int = 1000
    """More addresses than this are sought by one pass over the module instead of by name."""
    unknown_lookups: tuple[timedelta, ...] = (
        timedelta(seconds=10),
        timedelta(seconds=30),
        timedelta(minutes=1),
        timedelta(minutes=5),
    )
    """Waits between lookups of a create that got no answer; then every five minutes until the visibility wait ends."""
    crm_unknown_wait: timedelta = timedelta(minutes=2)
    """A CRM create that got no answer and is not found after this is sent again."""
    catch_up_pause: timedelta = timedelta(minutes=1)
    """Pause before the next run while a backlog waits."""
    scope_check_above: int = 10
    """More pairs than this leaving at once: ask for the group or view itself first."""
    account_holds: int = 25_000
    """Contacts that a Google account holds, its Trash included (Google's help centre)."""
    shrink_percent: int = 20
    """A full listing shorter than the last by more than this takes away the right to delete until one agrees.

    One that shows so much less than it says it has is read again before anything is made.
    """
    brake: Brake = Brake()
