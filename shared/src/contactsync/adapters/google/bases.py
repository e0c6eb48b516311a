"""The bases of linked people, for the few whose entries leave a choice (`binding`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from contactsync.adapters.google.binding import Known
from contactsync.domain.digests import Digester
from contactsync.domain.ids import PersonId, RowKey
from contactsync.domain.link import Link
from contactsync.domain.mapping import MATCH_CRM_FIELD, MATCH_GOOGLE_FIELD
from contactsync.domain.mapping import Mapping as FieldMapping

_MATCH_ROW = RowKey(f"{MATCH_CRM_FIELD}={MATCH_GOOGLE_FIELD}")


class Bindings(Protocol):
    """What the rows of linked people were last bound to."""

    async def known(self, people: Sequence[PersonId]) -> Mapping[PersonId, Known]:
        """For each linked person: whether a text is the base of a row.

        For the match pair of a pair that has no base yet: whether it is the address that the pair was matched by.
        """
        ...


class LinkBindings:
    """`Bindings` from stored links; `links` finds those of some people by resource name."""

    def __init__(
        self,
        digester: Digester,
        mapping: FieldMapping,
        links: Callable[[Sequence[str]], Awaitable[Mapping[str, Link]]],
    ) -> None:
        self._digester = digester
        self._mapping = mapping
        self._links = links

    async def known(self, people: Sequence[PersonId]) -> Mapping[PersonId, Known]:
        """See `Bindings.known`."""
        found = await self._links(people)
        return {name: self._known(found[name]) for name in people if name in found}

    def _known(self, link: Link) -> Known:
        rows, base = self._mapping.by_key, link.google.base

        def known(row: RowKey, text: str) -> bool:
            wanted = base.get(row)
            if not text:
                return wanted is None or wanted == self._digester.empty
            if wanted is None and row == _MATCH_ROW:
                wanted = link.crm.base.get(row) or link.crm.seen.get(row)
            return wanted is not None and wanted == self._digester.field(rows[row], text)

        return known
