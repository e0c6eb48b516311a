"""The attacks of RFC 8725 and RFC 9068, one row each, and what keys do over time."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import RSAKey

from config_api.callers.identities import ClaimNames, identity_from
from config_api.callers.tokens import TokenRefusedError
from contactsync.errors import ProviderUnavailableError
from contactsync.ports.callers import Role
from tests.support.clock import ManualClock
from tests.support.issuers import AUDIENCE, Issuer


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(ManualClock())


def encoded(*parts: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def unsigned(issuer: Issuer, algorithm: str) -> str:
    """A token with an empty signature."""
    return encoded(orjson.dumps({"alg": algorithm, "kid": "one"}), orjson.dumps(issuer.claims())) + "."


def signed_with_public_key(issuer: Issuer) -> str:
    """RFC 8725, 2.1: the public key taken for the secret of an HMAC."""
    message = encoded(orjson.dumps({"alg": "HS256", "kid": "one"}), orjson.dumps(issuer.claims()))
    signature = hmac.digest(issuer.rsa.as_pem(private=False), message.encode(), "sha256")
    return f"{message}.{encoded(signature)}"


def rightly_signed(issuer: Issuer, **header: object) -> str:
    """A header that libraries would not write, under a signature that holds."""
    message = encoded(orjson.dumps({"alg": "RS256", "kid": "one", **header}), orjson.dumps(issuer.claims()))
    key = issuer.rsa.private_key
    assert key is not None
    signature = key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{message}.{encoded(signature)}"


def by_another_key(issuer: Issuer) -> str:
    other = RSAKey.generate_key(2048, {"kid": "one"})
    return jwt.encode({"alg": "RS256", "kid": "one"}, issuer.claims(), other)


def with_its_own_key(issuer: Issuer) -> str:
    """RFC 8725, 2.9 and 3.10: a token that brings the key which signed it."""
    other = RSAKey.generate_key(2048, {"kid": "mine"})
    header = {"alg": "RS256", "kid": "mine", "jwk": Issuer.public(other)}
    return jwt.encode(header, issuer.claims(), other)


def altered(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    claims = base64.urlsafe_b64encode(orjson.dumps(issuer.claims(role="admin"))).decode().rstrip("=")
    return f"{head}.{claims}.{signature}"


def seconds(issuer: Issuer, offset: int) -> int:
    return int(issuer.clock.now().timestamp()) + offset


Attack = Callable[[Issuer], str]
ATTACKS: dict[str, Attack] = {
    "no signature": lambda issuer: unsigned(issuer, "none"),
    "no signature, spelled otherwise": lambda issuer: unsigned(issuer, "nOnE"),
    "signature left out": lambda issuer: unsigned(issuer, "RS256"),
    "public key as secret": signed_with_public_key,
    "another key under a known id": by_another_key,
    "its own key": with_its_own_key,
    "a key from an address": lambda issuer: issuer.token({"jku": "https://evil.example.com/jwks"}),
    "a certificate from an address": lambda issuer: issuer.token({"x5u": "https://evil.example.com/x"}),
    "a critical header": lambda issuer: rightly_signed(issuer, crit=["exp"], exp=1),
    "a payload that is not encoded": lambda issuer: rightly_signed(issuer, b64=False),
    "an algorithm off the list": lambda issuer: issuer.token({"alg": "RS512"}),
    "the other key's algorithm": lambda issuer: issuer.token({"kid": "two"}),
    "an unknown key": lambda issuer: issuer.token({"kid": "nine"}),
    "a key id that is no text": lambda issuer: rightly_signed(issuer, kid=1),
    "altered claims": altered,
    "another kind of token": lambda issuer: issuer.token({"typ": "logout+jwt"}),
    "a proof of possession": lambda issuer: issuer.token({"typ": "dpop+jwt"}),
    "another issuer": lambda issuer: issuer.token(iss="https://evil.example.com"),
    "the issuer with a slash": lambda issuer: issuer.token(iss="https://issuer.example.com/realms/one/"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "another audience": lambda issuer: issuer.token(aud="other"),
    "the audience as a part": lambda issuer: issuer.token(aud=f"{AUDIENCE}-2"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "no subject": lambda issuer: issuer.token(sub=None),
    "no end": lambda issuer: issuer.token(exp=None),
    "an end that is text": lambda issuer: issuer.token(exp="9999999999"),
    "expired beyond the skew": lambda issuer: issuer.token(exp=seconds(issuer, -61)),
    "not yet valid": lambda issuer: issuer.token(nbf=seconds(issuer, 61)),
    "issued in the future": lambda issuer: issuer.token(iat=seconds(issuer, 61)),
    "too large": lambda issuer: issuer.token(padding="x" * 20_000),
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "encrypted": lambda issuer: issuer.token() + ".a.b",
    "not ASCII": lambda issuer: issuer.token() + "é",
    "nothing": lambda issuer: "",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_refused(issuer: Issuer, attack: str) -> None:
    with pytest.raises(TokenRefusedError):
        await issuer.verifier().claims(ATTACKS[attack](issuer))


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({}, {}),
        ({"typ": "at+jwt"}, {}),
        ({"typ": "JWT"}, {"aud": ["other", AUDIENCE]}),
        ({}, {"exp": -59}),
        ({}, {"nbf": 59}),
    ],
    ids=["plain", "access token", "several audiences", "expired within the skew", "valid within the skew"],
)
async def test_a_good_token_is_believed(issuer: Issuer, header: dict[str, Any], changes: dict[str, Any]) -> None:
    assert await issuer.verifier().claims(rightly_signed(issuer)), "the attacks differ from it in one thing each"
    moved = {name: seconds(issuer, value) if name in {"exp", "nbf"} else value for name, value in changes.items()}
    claims = await issuer.verifier().claims(issuer.token(header, **moved))
    assert claims["sub"] == "ada"


async def test_keys_are_read_once_for_many_tokens(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for _ in range(20):
        await verifier.claims(issuer.token())
    assert issuer.reads == 1


async def test_a_new_key_is_found_as_soon_as_a_token_names_it(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.claims(issuer.token())
    old, issuer.rsa = issuer.token(), RSAKey.generate_key(2048, {"kid": "three"})
    issuer.published = [Issuer.public(issuer.rsa)]
    issuer.clock.advance(timedelta(seconds=30))
    await verifier.claims(issuer.token({"kid": "three"}))
    with pytest.raises(TokenRefusedError):  # the old key was withdrawn
        await verifier.claims(old)


async def test_a_token_that_was_believed_is_refused_when_it_has_ended(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token(exp=seconds(issuer, 240))
    await verifier.claims(token)
    issuer.clock.advance(timedelta(seconds=300))
    await verifier.claims(token)
    issuer.clock.advance(timedelta(seconds=1))
    with pytest.raises(TokenRefusedError):
        await verifier.claims(token)


async def test_a_token_that_was_believed_is_refused_when_its_key_is_withdrawn(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token(exp=seconds(issuer, 3600))
    await verifier.claims(token)
    issuer.published = [Issuer.public(issuer.ec)]
    issuer.clock.advance(timedelta(minutes=10))
    with pytest.raises(TokenRefusedError):
        await verifier.claims(token)


async def test_a_token_that_was_believed_is_refused_when_another_key_has_its_keys_name(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token(exp=seconds(issuer, 3600))
    await verifier.claims(token)
    issuer.published = [Issuer.public(RSAKey.generate_key(2048, {"kid": "one"}))]
    issuer.clock.advance(timedelta(minutes=10))
    with pytest.raises(TokenRefusedError):
        await verifier.claims(token)


@pytest.mark.parametrize(("audience", "nonce"), [("the page", None), (None, "n-1"), ("the page", "n-1")])
async def test_a_callers_token_that_was_believed_is_no_token_of_a_sign_in(
    issuer: Issuer, audience: str | None, nonce: str | None
) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    await verifier.claims(token)
    with pytest.raises(TokenRefusedError):
        await verifier.claims(token, audience=audience, nonce=nonce)


async def test_what_a_sign_in_believed_is_no_callers_token(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token(aud="the page", nonce="n-1")
    await verifier.claims(token, audience="the page", nonce="n-1")
    with pytest.raises(TokenRefusedError):
        await verifier.claims(token)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_refused_after_a_good_token(issuer: Issuer, attack: str) -> None:
    verifier = issuer.verifier()
    await verifier.claims(issuer.token())
    for _ in range(2):
        with pytest.raises(TokenRefusedError):
            await verifier.claims(ATTACKS[attack](issuer))


async def test_invented_keys_cause_no_flood_of_readings(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.claims(issuer.token())
    for number in range(50):
        with pytest.raises(TokenRefusedError):
            await verifier.claims(issuer.token({"kid": f"invented-{number}"}))
    assert issuer.reads <= 2


async def test_keys_outlive_a_silent_issuer_by_a_day(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    await verifier.claims(issuer.token())
    issuer.silent = True
    issuer.clock.advance(timedelta(hours=23))
    await verifier.claims(issuer.token())
    issuer.clock.advance(timedelta(hours=2))
    with pytest.raises(ProviderUnavailableError):
        await verifier.claims(issuer.token())


async def test_weak_and_shared_keys_of_a_set_are_passed_over(issuer: Issuer) -> None:
    weak = {"kty": "RSA", "n": "x" * 171, "e": "AQAB", "kid": "one"}
    issuer.published = [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}, weak, {"kty": "new"}, *issuer.published]
    await issuer.verifier().claims(issuer.token())


@pytest.mark.parametrize(
    ("claims", "names", "organisation", "role"),
    [
        ({"organisation": "1"}, ClaimNames(), "1", Role.USER),
        ({"organisation": 60001, "role": "admin"}, ClaimNames(), "60001", Role.ADMIN),
        ({"organisation": "1", "role": ["user", "admin"]}, ClaimNames(), "1", Role.ADMIN),
        (
            {"https://example.com/org": "1", "realm_access": {"roles": ["owner"]}},
            ClaimNames("https://example.com/org", "realm_access.roles", frozenset({"owner"})),
            "1",
            Role.ADMIN,
        ),
        ({"organisation": "1", "role": {"admin": True}}, ClaimNames(), "1", Role.USER),
        ({"organisation": "1", "role": "billing admin"}, ClaimNames(), "1", Role.USER),
        ({"organisation": "1", "role": ["no admin", "Admin"]}, ClaimNames(), "1", Role.USER),
        ({"organisation": "1", "scope": "openid admin"}, ClaimNames(role="scope"), "1", Role.ADMIN),
    ],
)
def test_organisation_and_role_come_from_the_claims_that_are_set(
    claims: dict[str, Any], names: ClaimNames, organisation: str, role: Role
) -> None:
    identity = identity_from({"iss": "i", "sub": "s", **claims}, names)
    assert (identity.organisation, identity.role) == (organisation, role)


@pytest.mark.parametrize("organisation", [None, "", True, ["1"], "x" * 256])
def test_a_token_without_an_organisation_opens_nothing(organisation: object) -> None:
    with pytest.raises(TokenRefusedError):
        identity_from({"iss": "i", "sub": "s", "organisation": organisation}, ClaimNames())
