"""A worker beside config-api: it begins the open run of a configuration and writes down what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from config_api.resources import LOCAL_USER, Resources
from contactsync.adapters.sql.leases import worker_presence
from contactsync.adapters.sql.state import SqlState
from contactsync.domain.ids import AccountKey, ConfigId, LinkId
from contactsync.domain.link import Link, LinkSide, PairState, Presence
from contactsync.messages.hint import RunHint
from contactsync.ports.state import Lease, Run, Transaction

TTL = timedelta(seconds=60)


@dataclass
class AtWork:
    """A run under way."""

    state: SqlState
    lease: Lease
    run: Run

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A fenced transaction of the run."""
        return self.state.begin(self.lease, self.run)


@asynccontextmanager
async def working(resources: Resources, config_id: str, run_id: str, account: AccountKey) -> AsyncIterator[AtWork]:
    """The run, begun under a lease that is given back at the end."""
    foundation = resources.foundation
    state = SqlState(foundation.database, foundation.vault, foundation.clock)
    holder = uuid4()
    async with worker_presence(str(resources.settings.database_url), holder):
        lease = await state.leases.acquire(account, holder, TTL)
        assert isinstance(lease, Lease)
        hint = RunHint(
            run=UUID(run_id),
            slice=0,
            organisation=LOCAL_USER.organisation_id,
            configuration=ConfigId(UUID(config_id)),
        )
        claimed = await state.claim(hint, lease, foundation.clock.now())
        assert claimed is not None
        try:
            yield AtWork(state, lease, claimed.run)
        finally:
            await state.leases.release(lease, {})


def pair(number: int, state: PairState = PairState.LINKED) -> Link:
    """A pair with a record and a person of this number."""
    crm, google = f"554597400000{number:07}", f"people/c{number}"
    return Link(
        link_id=LinkId(UUID(int=number)),
        state=state,
        crm=LinkSide(remote_id=crm, presence=Presence.PRESENT, in_scope=True),
        google=LinkSide(remote_id=google, presence=Presence.PRESENT, in_scope=True),
    )
