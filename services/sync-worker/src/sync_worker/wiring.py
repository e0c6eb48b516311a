"""What a slice touches, built from the real adapters for one run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from contactsync.adapters.google.bases import LinkBindings
from contactsync.adapters.sql.state import SqlState
from contactsync.adapters.sql.vault import SqlVault
from contactsync.assembly.foundation import Foundation, run_limits
from contactsync.assembly.grants import token_source
from contactsync.assembly.providers import Providers
from contactsync.assembly.rights import CHECKED_EVERY, NOW, CrmRightsCheck, rights_check
from contactsync.domain.digests import Digester
from contactsync.ports.clock import Clock
from contactsync.ports.directory import CallGate
from contactsync.ports.state import Run, RunSettings
from sync_worker.engine.session import Ports
from sync_worker.runner import new_link_id
from sync_worker.settings import SyncWorkerSettings


@dataclass(frozen=True, slots=True)
class RunRights:
    """`Rights` of one run."""

    check: CrmRightsCheck
    settings: RunSettings
    gate: CallGate

    async def require(self, *, afresh: bool = False) -> None:
        """Return when the run may go on in its direction."""
        await self.check.require(
            self.settings.organisation_id,
            self.settings.crm_connection_id,
            self.settings.policy.direction,
            self.gate,
            within=NOW if afresh else CHECKED_EVERY,
        )


class RunPorts:
    """`PortsOf` over PostgreSQL and both vendors."""

    def __init__(
        self, state: SqlState, vault: SqlVault, providers: Providers, rights: CrmRightsCheck, clock: Clock
    ) -> None:
        self._rights = rights
        self._state = state
        self._vault = vault
        self._providers = providers
        self._clock = clock

    @asynccontextmanager
    async def __call__(self, run: Run, gate: CallGate) -> AsyncIterator[Ports]:
        """Digests under the organisation's key; the CRM's workflows never start in a first run."""
        settings = run.settings
        policy = settings.policy
        key = await self._vault.organisation_digest_key(settings.organisation_id)
        digester = Digester(key, region=settings.region)
        bindings = LinkBindings(digester, policy.mapping, partial(self._state.links_by_name, run))
        yield Ports(
            state=self._state,
            crm=self._providers.crm(settings, gate, automation=policy.crm_automation and not run.first),
            google=self._providers.people(settings, gate, bindings),
            clock=self._clock,
            digester=digester,
            new_id=new_link_id,
            rights=RunRights(self._rights, settings, gate),
        )


def state_on(foundation: Foundation, settings: SyncWorkerSettings) -> SqlState:
    """The durable state, with the limits of the settings."""
    return SqlState(foundation.database, foundation.vault, foundation.clock, limits=run_limits(settings))


def ports_on(foundation: Foundation, settings: SyncWorkerSettings, state: SqlState) -> RunPorts:
    """Ports over the process's HTTP edges."""
    tokens = token_source(foundation, settings)
    providers = Providers(foundation.zoho, foundation.google, foundation.google_endpoints, tokens)
    rights = rights_check(foundation, settings, tokens)
    return RunPorts(state, foundation.vault, providers, rights, foundation.clock)
