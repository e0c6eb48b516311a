"""All-or-nothing batches: finding the contacts that keep a batch from being applied, and sending the rest.

A refused batch changed nothing ("an item that is not listed would have succeeded", People API, batch error details).
Contacts that the refusal names are taken out and the rest is sent again. Where it names none, the batch is halved until
the ones at fault stand alone: at most log2(200) + 1 times. However a provider behaves, a batch costs at most
`MAX_SENDS` requests; what is left over then is handed back as not sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from contactsync.adapters.google.failures import ItemStatus
from contactsync.domain.ids import LinkId
from contactsync.errors import (
    ContactRefusedError,
    ContactSyncError,
    OutcomeUnknownError,
    RecordRejectedError,
)
from contactsync.ports.directory import Refused, WriteOutcome

MAX_SENDS: Final = 24
"""Two contacts at fault among 200, unnamed, take 17 requests; a provider that names one a time gets no more either."""

NOT_SENT: Final = "not_sent"


class Requested(Protocol):
    """A request about one contact."""

    @property
    def link_id(self) -> LinkId:
        """The pair it is for."""
        ...


Item = TypeVar("Item", bound=Requested)
Outcomes = dict[LinkId, WriteOutcome]


class BatchRefusedError(Exception):
    """A batch was refused and nothing of it applied.

    `settled` are the outcomes of contacts that the refusal names; `alone` gives the outcome of a contact that was the
    only one of the batch.
    """

    def __init__(self, settled: Outcomes, alone: Callable[[LinkId], WriteOutcome]) -> None:
        super().__init__(f"{len(settled)} named")
        self.settled = settled
        self.alone = alone


def refused(link_id: LinkId, status: ItemStatus) -> Refused:
    """The refusal of one contact."""
    if status.is_gone:
        return Refused(link_id, RecordRejectedError("not there any more", reason="gone"), gone=True)
    if status.is_stale:
        return Refused(link_id, RecordRejectedError("changed since it was read", reason="stale"), stale=True)
    if status.is_temporary:
        return not_sent(link_id)
    details = {"code": status.code, "message": status.message}
    return Refused(link_id, RecordRejectedError("refused by Google", details=details))


def not_sent(link_id: LinkId) -> Refused:
    """A contact that no request carried to its end: nothing was refused, it is to be decided again."""
    return Refused(link_id, ContactRefusedError("not sent", reason=NOT_SENT), stale=True)


class BatchSender(Generic[Item]):
    """Sends items through `send`, which answers for all of them or raises BatchRefusedError."""

    def __init__(self, send: Callable[[Sequence[Item]], Awaitable[Outcomes]], *, repeatable: bool) -> None:
        self._send = send
        self._repeatable = repeatable
        """Whether an item whose outcome is unknown may simply be decided again (updates, deletes)."""

    async def outcomes(self, parts: Iterable[Sequence[Item]]) -> Outcomes:
        """One outcome for each item of `parts`.

        An error that meets the first request is raised. Once a part was applied it is not lost to an error of a later
        part: the items not yet sent come back as `not_sent`, and the next call meets the error first. A create whose
        outcome is unknown is raised all the same: it has to be looked up.
        """
        waiting = [part for part in parts if part]
        found: Outcomes = {item.link_id: not_sent(item.link_id) for part in waiting for item in part}
        applied = False
        for _ in range(MAX_SENDS):
            if not waiting:
                break
            part = waiting.pop()
            try:
                found |= await self._send(part)
                applied = True
            except BatchRefusedError as refusal:
                waiting += _without_faults(part, refusal, found)
            except ContactSyncError as error:
                if not applied or (isinstance(error, OutcomeUnknownError) and not self._repeatable):
                    raise
                break
        return found


def _without_faults(part: Sequence[Item], refusal: BatchRefusedError, found: Outcomes) -> list[Sequence[Item]]:
    """What to send of a refused part; the contacts at fault get their outcome in `found`."""
    if refusal.settled:
        found |= refusal.settled
        rest = [item for item in part if item.link_id not in refusal.settled]
        return [rest] if rest else []
    if len(part) == 1:
        found[part[0].link_id] = refusal.alone(part[0].link_id)
        return []
    middle = len(part) // 2
    return [part[middle:], part[:middle]]
