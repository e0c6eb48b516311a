"""What a believed token says about a person: organisation, user, role, by the claims that the settings name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from config_api.callers.tokens import TokenRefusedError, claim
from contactsync.ports.callers import Identity, Profile, Role

_LONGEST_ID: Final = 255
"""OpenID Connect Core, section 2: `sub` has at most 255 characters. The organisation's id is held to the same."""
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Where issuers put what we need. The user is always `sub`, which is never given to another person."""

    organisation: str = "organisation"
    role: str = "role"
    admin_roles: frozenset[str] = frozenset({"admin"})


def identity_from(claims: Mapping[str, Any], names: ClaimNames) -> Identity:
    """The identity. Raises TokenRefusedError when the token does not say which organisation it is for."""
    subject, organisation = claims["sub"], claim(claims, names.organisation)
    if isinstance(organisation, int) and not isinstance(organisation, bool):
        organisation = str(organisation)  # Zoho's organisation ids are numbers
    for value in (subject, organisation):
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID:
            raise TokenRefusedError("claims")
    admin = not names.admin_roles.isdisjoint(_roles(claims, names.role))
    return Identity(
        issuer=str(claims["iss"]),
        organisation=str(organisation),
        subject=str(subject),
        role=Role.ADMIN if admin else Role.USER,
        profile=_profile(claims),
    )


def _roles(claims: Mapping[str, Any], name: str) -> Collection[str]:
    """A role, or a list of them, each as it is: who has the role `billing admin` has not the role `admin`.

    Of `scope` alone the words are meant (RFC 8693, 4.2).
    """
    value = claim(claims, name)
    if isinstance(value, str):
        return value.split(" ") if name == "scope" else [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _profile(claims: Mapping[str, Any]) -> Profile:
    """Name, address and language; an address that the issuer calls unverified is not written to."""
    email = "" if claims.get("email_verified") in {False, "false"} else _text(claims, "email")
    return Profile(name=_text(claims, "name"), email=email, language=_text(claims, "locale"))


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME else ""
