"""Settings of the sync-worker; every variable has the prefix `CONTACTSYNC_`."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from contactsync.assembly.settings import CommonSettings, Duration
from contactsync.domain.credits import Shares
from sync_worker.engine.settings import Brake, EngineSettings
from sync_worker.limits import Quota
from sync_worker.runner import WorkerSettings


class SyncWorkerSettings(CommonSettings):
    """What one worker process needs beside what both services need."""

    worker_slots: int = Field(16, ge=3, le=256, description="Slices worked at once; each lane has some to itself")
    worker_admin_host: str = Field("127.0.0.1", description="Where /livez, /readyz and /metrics are served")
    worker_admin_port: int = Field(8081, ge=0, le=65535, description="Their port")
    drain_grace: Duration = Field(timedelta(seconds=25), description="How long slices may go on after SIGTERM")
    slice_budget: Duration = Field(timedelta(seconds=60), description="A slice begins nothing new after this")
    slice_attempts: int = Field(5, ge=1, description="A slice that began this often and never ended fails its run")
    lease_ttl: Duration = Field(
        timedelta(seconds=60), description="How long a Google account stays with a silent worker"
    )
    lease_renew_every: Duration = Field(timedelta(seconds=15), description="How often a lease is renewed")
    lease_call_needs: Duration = Field(timedelta(seconds=25), description="Lease life that a provider call needs")
    full_every: Duration = Field(timedelta(hours=24), description="How often both sides are read in full")
    shrink_percent: int = Field(
        20, ge=0, le=100, description="A full listing this many percent too short is read again before it is believed"
    )
    zoho_credit_share: int = Field(
        25, ge=1, le=100, description="Percent of an organisation's daily CRM credits that syncs may use"
    )
    zoho_credit_share_manual: int = Field(40, ge=1, le=100, description="The same for runs that a person asked for")
    slices_per_organisation: int = Field(4, ge=1, description="Slices of one organisation that are worked at once")
    google_read_per_minute: int = Field(48, ge=0, description="Critical reads of one account in a minute; 0: unlimited")
    google_write_per_minute: int = Field(
        24, ge=0, description="Critical writes of one account in a minute; 0: unlimited"
    )
    google_delete_per_minute: int = Field(24, ge=0, description="Deletes and group writes of one account in a minute")

    def runner_settings(self) -> WorkerSettings:
        """The figures as the runner and the engine take them."""
        quota = {
            "read": self.google_read_per_minute,
            "write": self.google_write_per_minute,
            "delete": self.google_delete_per_minute,
        }
        return WorkerSettings(
            lease_ttl=self.lease_ttl,
            lease_renew_every=self.lease_renew_every,
            call_needs=self.lease_call_needs,
            max_attempts=self.slice_attempts,
            slices_per_organisation=self.slices_per_organisation,
            credit_shares=Shares(self.zoho_credit_share, self.zoho_credit_share_manual),
            quotas={"google": Quota({name: units for name, units in quota.items() if units})},
            engine=self._engine(),
        )

    def _engine(self) -> EngineSettings:
        return EngineSettings(
            slice_budget=self.slice_budget,
            visibility_wait=self.visibility_wait,
            full_every=self.full_every,
            shrink_percent=self.shrink_percent,
            catch_up_pause=self.catch_up_pause,
            brake=Brake(self.delete_brake_percent, self.delete_brake_min, self.delete_brake_max),
        )
