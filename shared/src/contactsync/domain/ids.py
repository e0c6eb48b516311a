"""Identifiers, each with a type of its own, so that a record id cannot be passed for a person id."""

from __future__ import annotations

from typing import NewType
from uuid import UUID

OrganisationId = NewType("OrganisationId", UUID)
"""Our tenant: one Zoho organisation."""
UserId = NewType("UserId", UUID)
ConnectionId = NewType("ConnectionId", UUID)
ConfigId = NewType("ConfigId", UUID)
RunId = NewType("RunId", UUID)
LinkId = NewType("LinkId", UUID)
EffectId = NewType("EffectId", UUID)

RecordId = NewType("RecordId", str)
"""A Zoho record: a decimal string of up to 19 digits."""
PersonId = NewType("PersonId", str)
"""A Google person's resource name, `people/c…`; opaque."""
ViewId = NewType("ViewId", str)
GroupId = NewType("GroupId", str)
"""A Google contact group's resource name, `contactGroups/…`."""
AccountKey = NewType("AccountKey", bytes)
"""Keyed hash of a provider account's stable id; the key of leases and links."""
RowKey = NewType("RowKey", str)
"""A mapping row: `<crm field>=<google field>`. Bases are kept under it, so a changed row has no base."""
