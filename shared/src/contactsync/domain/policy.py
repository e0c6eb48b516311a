"""The settings of a sync configuration, as the decisions need them; values and defaults are the HTTP interface's."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from enum import StrEnum

from contactsync.domain.contact import Side
from contactsync.domain.mapping import Mapping


class Direction(StrEnum):
    """Where changes may flow. A one-way configuration never writes to its source."""

    TWO_WAY = "two_way"
    CRM_TO_GOOGLE = "crm_to_google"
    GOOGLE_TO_CRM = "google_to_crm"

    def writes(self, side: Side) -> bool:
        """Whether `side` may be written at all."""
        return self is Direction.TWO_WAY or (self is Direction.CRM_TO_GOOGLE) == (side is Side.GOOGLE)


class DeletePolicy(StrEnum):
    """What a delete on one side does to the other."""

    KEEP = "keep"
    FROM_CRM = "from_crm"
    PROPAGATE = "propagate"


class NoEmailRule(StrEnum):
    """What happens to contacts without an e-mail address."""

    MATCH = "match"
    CREATE = "create"
    SKIP = "skip"


class CompanyRule(StrEnum):
    """What happens to a company name for which the CRM has no account."""

    LEAVE = "leave"
    CREATE = "create"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything a decision may depend on beside the contacts themselves."""

    direction: Direction
    mapping: Mapping
    conflict_winner: Side = Side.CRM
    deletions: DeletePolicy = DeletePolicy.KEEP
    no_email: NoEmailRule = NoEmailRule.MATCH
    companies: CompanyRule = CompanyRule.LEAVE
    crm_values: MappingABC[str, str] = field(default_factory=dict)
    """CRM field -> value for records that the sync creates."""
    crm_automation: bool = False
    """Whether CRM workflows run on our writes; always false on a first run."""
    deletes_allowed: bool = True
    """False in a run that reads in full after a change of settings or an expired token; while a listing is doubted."""
    version: int = 1
    """The configuration's version that this run began with."""
