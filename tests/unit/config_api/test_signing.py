"""Signatures after Standard Webhooks: the published vector, a library that is not ours, and what must not pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from config_api.webhooks.signing import is_secret, is_signed, new_secret, signature, signed_headers

# https://www.standardwebhooks.com and the test suites of its reference libraries
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(**changes: str) -> dict[str, str]:
    good = {
        "webhook-id": MESSAGE,
        "webhook-timestamp": "1614265330",
        "webhook-signature": PUBLISHED,
    }
    return {**good, **{name.replace("_", "-"): value for name, value in changes.items()}}


def test_the_published_vector() -> None:
    assert signature(SECRET, MESSAGE, 1614265330, BODY) == PUBLISHED
    assert is_signed([SECRET], headers(), BODY, SENT)


def test_the_reference_library_believes_our_signatures() -> None:
    secret, now = new_secret(), datetime.now(UTC)
    signed = signed_headers([secret], "msg_1", now, BODY)
    assert standardwebhooks.Webhook(secret).verify(BODY, signed) == {"test": 2432232314}


def test_we_believe_signatures_of_the_reference_library() -> None:
    secret, now = new_secret(), datetime.now(UTC)
    signed = standardwebhooks.Webhook(secret).sign("msg_1", now, BODY.decode())
    given = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}
    assert is_signed([secret], given, BODY, now)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": "msg_other"},
        {"webhook_id": ""},
        {"webhook_timestamp": "1614265331"},
        {"webhook_timestamp": "-1614265330"},
        {"webhook_timestamp": "1614265330.0"},
        {"webhook_timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_timestamp": ""},
        {"webhook_signature": ""},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1,not base64"},
        {"webhook_signature": PUBLISHED.replace("v1,", "v2,")},
        {"webhook_signature": PUBLISHED.replace("g0h", "g1h")},
        {"webhook_signature": "v1," + "A" * 43 + "= " * 50 + PUBLISHED},
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, str]) -> None:
    assert not is_signed([SECRET], headers(**changes), BODY, SENT)


def test_another_body_is_refused() -> None:
    assert not is_signed([SECRET], headers(), BODY + b" ", SENT)


@pytest.mark.parametrize(("late_s", "believed"), [(-300, True), (300, True), (-301, False), (301, False)])
def test_a_message_holds_for_five_minutes(late_s: int, believed: bool) -> None:  # noqa: FBT001
    assert is_signed([SECRET], headers(), BODY, SENT + timedelta(seconds=late_s)) is believed


def test_one_of_several_signatures_or_secrets_is_enough() -> None:
    other = new_secret()
    both = headers(webhook_signature=f"{signature(other, MESSAGE, 1614265330, BODY)} {PUBLISHED}")
    assert is_signed([SECRET], both, BODY, SENT)
    assert is_signed([other, SECRET], headers(), BODY, SENT)
    assert not is_signed([], headers(), BODY, SENT)


def test_a_secret_in_a_header_is_compared_whole() -> None:
    assert is_secret([SECRET], SECRET)
    assert not is_secret([SECRET], SECRET[:-1])
    assert not is_secret([SECRET], "")
    assert not is_secret([], "")
