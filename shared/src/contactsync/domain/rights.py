"""What a user's rights in the CRM allow: which directions, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from contactsync.domain.policy import Direction
from contactsync.domain.reasons import Reason

FREE: Final = "free"


class Right(StrEnum):
    """A right of a CRM profile that the sync depends on."""

    GOOGLE_SYNC = "google_sync"
    VIEW_CONTACTS = "view_contacts"
    CREATE_CONTACTS = "create_contacts"
    EDIT_CONTACTS = "edit_contacts"
    DELETE_CONTACTS = "delete_contacts"


LACKING: Final[Mapping[Right, Reason]] = MappingProxyType(
    {
        Right.GOOGLE_SYNC: Reason.NO_RIGHT_GOOGLE_SYNC,
        Right.VIEW_CONTACTS: Reason.NO_RIGHT_VIEW,
        Right.CREATE_CONTACTS: Reason.NO_RIGHT_CREATE,
        Right.EDIT_CONTACTS: Reason.NO_RIGHT_EDIT,
        Right.DELETE_CONTACTS: Reason.NO_RIGHT_DELETE,
    }
)
"""The reason that names a missing right."""
_TO_SYNC_AT_ALL: Final = (Right.GOOGLE_SYNC, Right.VIEW_CONTACTS)
_TO_WRITE: Final = (Right.CREATE_CONTACTS, Right.EDIT_CONTACTS, Right.DELETE_CONTACTS)


@dataclass(frozen=True, slots=True)
class Access:
    """What is allowed. `missing` is empty where the CRM does not tell the rights."""

    directions: Mapping[Direction, Reason]
    """Every direction; allowed where the reason is NONE."""
    missing: tuple[Right, ...]

    @property
    def allowed(self) -> frozenset[Direction]:
        """The directions that may be chosen."""
        return frozenset(direction for direction, reason in self.directions.items() if not reason)

    @property
    def reason(self) -> Reason:
        """Why there is no sync at all; NONE when there is some."""
        return Reason.NONE if self.allowed else self.directions[Direction.CRM_TO_GOOGLE]


def access(edition: str, rights: Mapping[str, bool] | None) -> Access:
    """The directions that an edition and a profile open; `rights` by `Right`, None when the CRM does not tell them.

    Without one of create, edit and delete a profile counts as view only: the vendor's own sync behaves so
    (Zoho CRM help, "Google Contacts sync", permissions). A profile that cannot be read counts as view only too.
    """
    missing = () if rights is None else tuple(right for right in Right if not rights.get(right, False))
    everything = _why_nothing(edition, missing)
    writing = everything or _why_no_writing(rights, missing)
    directions = {direction: everything if direction is Direction.CRM_TO_GOOGLE else writing for direction in Direction}
    return Access(MappingProxyType(directions), missing)


def _why_nothing(edition: str, missing: tuple[Right, ...]) -> Reason:
    if edition == FREE:
        return Reason.EDITION_FREE
    return next((LACKING[right] for right in _TO_SYNC_AT_ALL if right in missing), Reason.NONE)


def _why_no_writing(rights: Mapping[str, bool] | None, missing: tuple[Right, ...]) -> Reason:
    if rights is None:
        return Reason.PROFILE_UNREADABLE
    return next((LACKING[right] for right in _TO_WRITE if right in missing), Reason.NONE)
