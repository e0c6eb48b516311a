"""Who calls: what an issuer says about a person, and who that is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from contactsync.domain.ids import OrganisationId, UserId


class Role(StrEnum):
    """What a caller may do in his organisation."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach a user; empty where the issuer does not say."""

    name: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    language: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a believed token says. `organisation` and `subject` are the issuer's own ids."""

    issuer: str
    organisation: str
    subject: str
    role: Role
    profile: Profile = field(default_factory=Profile)


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """The same person as stored here."""

    organisation_id: OrganisationId
    user_id: UserId


class CallerDirectory(Protocol):
    """Organisations and users, by what issuers call them."""

    async def known(self, identity: Identity) -> KnownCaller | None:
        """The ids of this person, made when he is new; role and profile are brought up to date.

        An issuer speaks for its organisations: one that it names for the first time is made, without any CRM
        organisation until its first connection pins one. The same name by another issuer is another organisation.
        None when the organisation was erased.
        """
        ...

    async def has_crm(self, identity: Identity, crm_organisation: str) -> bool | None:
        """Whether the identity's organisation is the one that is pinned to this organisation of the CRM.

        `crm_organisation` is its stable id. None when no organisation is pinned to it.
        """
        ...

    async def profile(self, organisation_id: OrganisationId, user_id: UserId) -> Profile:
        """How to reach a user; empty when nothing is known."""
        ...


class Tickets(Protocol):
    """Short-lived secrets that stand for something sealed: sign-ins under way, sessions, one-time addresses."""

    async def issue(self, kind: str, content: bytes, lifetime: timedelta, holder: UserId | None = None) -> str:
        """A new secret of 256 random bits; a hash of it alone is stored. `holder` is the user who may act by it."""
        ...

    async def read(self, kind: str, secret: str) -> bytes | None:
        """What it stands for; None when it is unknown, expired or of another kind.

        Raises TicketEndedError when it was ended.
        """
        ...

    async def take(self, kind: str, secret: str) -> bytes | None:
        """As `read`, once: of any number of takers one gets it, and it is gone."""
        ...

    async def end(self, holder: UserId) -> None:
        """Whatever was issued for this user until now opens nothing any more."""
        ...
