"""The fewest data calls that a run can do with, from the sizes of both vendors' batches.

Sources: Zoho CRM API v8 ("Get Records", "Insert Records", "COQL"); Google People API (`people.connections.list`,
`people.batchCreateContacts`, `people.getBatchGet`, `people.batchUpdateContacts`).
"""

from __future__ import annotations

from math import ceil
from typing import Final

_CRM_PAGE: Final = 200
_CRM_WRITES: Final = 100
_GOOGLE_PAGE: Final = 1000
_GOOGLE_WRITES: Final = 200


def first_run(*, in_view: int, in_account: int, created_on_google: int) -> int:
    """A first run that only creates contacts on Google: view, account, creates that join the group themselves."""
    return (
        ceil(in_view / _CRM_PAGE) + max(1, ceil(in_account / _GOOGLE_PAGE)) + ceil(created_on_google / _GOOGLE_WRITES)
    )


def later_run(
    *,
    changed_in_crm: int,
    changed_on_google: int,
    updated_in_crm: int = 0,
    updated_on_google: int = 0,
    news_from_crm: bool = False,
) -> int:
    """A later run without creates and deletes.

    The deleted list, the CRM's changes, one question for the view when they bring news; Google's changes; updates: on
    Google the current persons are read before they are written.
    """
    reads = 1 + max(1, ceil(changed_in_crm / _CRM_PAGE)) + int(news_from_crm)
    reads += max(1, ceil(changed_on_google / _GOOGLE_PAGE))
    return reads + 2 * ceil(updated_on_google / _GOOGLE_WRITES) + ceil(updated_in_crm / _CRM_WRITES)
