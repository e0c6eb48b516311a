"""A contact as one side showed it, reduced to the mapped fields: what the connectors hand to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contactsync.domain.ids import RowKey

Values = Mapping[RowKey, str]
"""Mapped values as typed where they live; an absent key is an empty field."""

Changes = Mapping[RowKey, str | None]
"""New values of mapped fields; None empties the field, an absent key leaves it alone."""


class Side(StrEnum):
    """One of the two address books of a configuration."""

    CRM = "crm"
    GOOGLE = "google"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.GOOGLE if self is Side.CRM else Side.CRM


@dataclass(frozen=True, slots=True)
class Identity:
    """What a contact can be recognised by, as typed.

    `strong_emails`: the CRM's `Email`; Google's e-mails of type work or without a type.
    `weak_emails`: `Secondary_Email`; Google's other e-mails. All in the order of the side.
    """

    name: str = ""
    strong_emails: tuple[str, ...] = ()
    weak_emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """One contact at one moment.

    `revision` identifies the version: Google's CONTACT source etag; Zoho's `Modified_Time` in UTC,
    `2026-03-01T09:00:00Z`. `in_scope` is None where the listing cannot tell (Zoho's module list).
    A deleted contact has an id, perhaps a time, and nothing else. `values` of a person outside the group are empty.
    """

    remote_id: str
    revision: str
    modified_at: datetime
    values: Values = field(default_factory=dict)
    identity: Identity = Identity()
    in_scope: bool | None = None
    deleted: bool = False
    marker: str | None = None
    """Our link id, found in the contact (Google `clientData`)."""
    previous_ids: tuple[str, ...] = ()
    read_only: str | None = None
    """Reason code, when this user may not write the contact now (`locked`, `not_approved`, `no_permission`)."""


EMPTY_IDENTITY = Identity()
