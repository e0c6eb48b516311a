"""The CRM credits of an organisation's syncs."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from contactsync.domain.credits import Shares
from contactsync.ports.state.runs import Run


class CreditStore(Protocol):
    """CRM credits that the syncs of an organisation have reserved in the last 24 hours, by our own clock."""

    async def reserve(self, run: Run, amount: int, shares: Shares, now: datetime) -> datetime | None:
        """None when so many credits are reserved now for the organisation of this run.

        The run's row then says that it holds as many as `run` does (`credits_reserved`, these included).

        Otherwise nothing is reserved, and the answer is the date to ask again. Together with what counts already they
        would exceed the share of what its CRM grants in a day, or they are kept for runs that wait for credits and
        were asked for earlier (`Credits.turn`): those who wait get dates in that order, and are served in it.
        """
        ...

    async def give_back(self, run: Run, amount: int, shares: Shares, now: datetime) -> None:
        """Free what was reserved and not used; a row of the run that says that it holds what `run` does now says none.

        Runs that wait for credits and for which there is room now go on at once, the earliest ones first.
        """
        ...
