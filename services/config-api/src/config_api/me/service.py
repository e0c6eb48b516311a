"""The caller's rights, from the CRM's own answers."""

from __future__ import annotations

from dataclasses import dataclass

from config_api.me.schemas import AllowedDirection, Me, Permission
from config_api.web.callers import Caller
from config_api.web.language import Language
from config_api.web.problems import ProblemError
from contactsync.adapters.sql.connections import SqlConnections
from contactsync.assembly.rights import CHECKED_EVERY, NOW, CrmRightsCheck, access_of
from contactsync.domain.reasons import Reason, sentence
from contactsync.domain.rights import FREE, LACKING, Right
from contactsync.ports.clock import Clock
from contactsync.ports.connections import ConnectionState, CrmFacts, Owner, Provider


@dataclass(frozen=True, slots=True)
class MeService:
    """Asks the CRM when the last answer is old."""

    store: SqlConnections
    check: CrmRightsCheck
    clock: Clock

    async def facts(self, caller: Caller, *, afresh: bool = False) -> CrmFacts:
        """What the CRM says about the caller.

        Raises a `not_connected` or `needs_reconnect` problem, and what the CRM's errors stand for.
        """
        owner = Owner(caller.organisation_id, caller.user_id)
        found = [one for one in await self.store.of_user(owner) if one.provider is Provider.ZOHO]
        if not found:
            raise ProblemError("not_connected")
        if found[0].state is not ConnectionState.ACTIVE:
            raise ProblemError("needs_reconnect")
        return await self.check.facts(found[0], within=NOW if afresh else CHECKED_EVERY)

    async def me(self, caller: Caller, language: Language, *, afresh: bool) -> Me:
        """Edition, permissions and directions, each with its reason."""
        facts = await self.facts(caller, afresh=afresh)
        directions = access_of(facts).directions
        return Me(
            edition=facts.edition,
            edition_allows_sync=facts.edition != FREE,
            permissions=[_permission(facts, right, language) for right in Right],
            directions=[
                AllowedDirection(
                    direction=direction, allowed=not reason, reason=reason, message=_sentence(reason, language)
                )
                for direction, reason in directions.items()
            ],
            checked_at=facts.checked_at or self.clock.now(),
        )


def _permission(facts: CrmFacts, right: Right, language: Language) -> Permission:
    if facts.rights is None:
        reason = Reason.PROFILE_UNREADABLE
        return Permission(name=right, granted=None, reason=reason, message=_sentence(reason, language))
    granted = facts.rights.get(right, False)
    reason = Reason.NONE if granted else LACKING[right]
    return Permission(name=right, granted=granted, reason=reason, message=_sentence(reason, language))


def _sentence(reason: Reason, language: Language) -> str:
    return sentence(reason, language.value) if reason else ""
