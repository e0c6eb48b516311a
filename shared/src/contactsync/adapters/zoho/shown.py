"""Whether the CRM still shows the mapped fields.

A field that an administrator deletes, or hides from the user's profile, is missing or null in every record from then
on (Zoho CRM API v8, "Get records"). Taken at its word, that would empty the field of every contact on Google.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contactsync.adapters.zoho.metadata import ZohoMetadata
from contactsync.domain.reasons import Reason
from contactsync.errors import ScopeGoneError


class ShownFields:
    """The fields that the connection's user may see, asked for once in its life and only when there is doubt."""

    def __init__(self, metadata: ZohoMetadata) -> None:
        self._metadata = metadata
        self._shown: frozenset[str] | None = None

    async def check(self, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
        """Return when those of the fields `names` that are empty in all rows are empty, and not out of sight.

        Raises ScopeGoneError(`crm_field_gone`) that names the others.
        """
        silent = [name for name in names if all(row.get(name) is None for row in rows)]
        if not rows or not silent:
            return
        if self._shown is None:
            self._shown = frozenset(field.api_name for field in await self._metadata.fields())
        gone = [name for name in silent if name not in self._shown]
        if gone:
            raise ScopeGoneError(
                "the CRM does not show a mapped field", reason=Reason.CRM_FIELD_GONE, details={"fields": gone}
            )
