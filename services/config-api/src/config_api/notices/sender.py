"""Tells what has happened: gathers it, sends it, tries again for days, and gives up in the open."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Final, assert_never

import httpx2
import orjson

from config_api.notices.egress import Answered, Egress, ForbiddenAddressError
from config_api.notices.mail import Mailer, MailRefusedError
from config_api.periodic import at_intervals
from config_api.webhooks.signing import signed_headers
from contactsync.ports.clock import Clock
from contactsync.ports.notices import Call, Delivery, Letter, Notices
from contactsync.telemetry.logs import get_logger

log = get_logger(__name__)

_EVERY: Final = timedelta(seconds=5)
_BATCH: Final = 50
_PAUSES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Between attempts, over three days (Standard Webhooks, "Deliverability and reliability")."""
_GONE: Final = 410
_NO_ANSWER: Final = 0
_MOST_DIGITS: Final = 9
_USER_AGENT: Final = "contact-sync-webhooks"


class NoticeSender:
    """A periodic task. Any number may run: a delivery is taken by one of them."""

    def __init__(self, notices: Notices, egress: Egress, mailer: Mailer | None, clock: Clock, rng: Random) -> None:
        self._notices = notices
        self._egress = egress
        self._mailer = mailer
        self._clock = clock
        self._rng = rng

    async def run(self, stop: asyncio.Event) -> None:
        """Look at intervals until `stop`."""
        await at_intervals(self.look, _EVERY, self._clock, stop, failed="notices.look.failed")

    async def look(self) -> None:
        """Tell everything that has happened, then send everything that is due."""
        while await self._notices.gather(self._clock.now(), _BATCH) >= _BATCH:
            pass
        while taken := await self._notices.take(self._clock.now(), _BATCH):
            async with asyncio.TaskGroup() as tasks:
                for delivery in taken:
                    tasks.create_task(self._send(delivery), name="notice")

    async def _send(self, delivery: Call | Letter) -> None:
        try:
            match delivery:
                case Call():
                    await self._call(delivery)
                case Letter():
                    await self._write(delivery)
                case _:
                    assert_never(delivery)
        except Exception:
            # The edge of one delivery: addresses and answers are customers' own, and what one of them makes of them
            # must not keep news from all others.
            log.exception("notices.delivery.failed", message_id=delivery.delivery_id)
            await self._again(delivery, _NO_ANSWER, "failed")

    async def _call(self, call: Call) -> None:
        body = orjson.dumps({"type": call.event.value, "timestamp": call.occurred_at.isoformat(), "data": call.facts})
        # The id stays the same over all attempts: a receiver knows by it what it has seen.
        headers = {
            **signed_headers(call.secrets, str(call.delivery_id), self._clock.now(), body),
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
        }
        try:
            answer = await self._egress.post(call.url, headers, body)
        except ForbiddenAddressError:
            await self._given_up(call, _NO_ANSWER, "address_not_public")
        except (OSError, TimeoutError, httpx2.RequestError) as error:
            await self._again(call, _NO_ANSWER, type(error).__name__)
        else:
            await self._answered(call, answer)

    async def _answered(self, call: Call, answer: Answered) -> None:
        if answer.status == _GONE:
            await self._notices.gone(call, self._clock.now())
            log.warning("notices.endpoint.gone", organisation_id=call.organisation_id, row_id=call.endpoint_id)
        elif 200 <= answer.status < 300:  # noqa: PLR2004  RFC 9110, 15.3
            await self._notices.done(call, answer.status)
        else:
            await self._again(call, answer.status, "refused", _wanted_pause(answer.retry_after))

    async def _write(self, letter: Letter) -> None:
        if self._mailer is None or not letter.recipient.email:
            await self._notices.done(letter, _NO_ANSWER)
            return
        try:
            await self._mailer.send(letter)
        except MailRefusedError:
            await self._given_up(letter, _NO_ANSWER, "mail_refused")
        except OSError as error:
            await self._again(letter, _NO_ANSWER, type(error).__name__)
        else:
            await self._notices.done(letter, _NO_ANSWER)

    async def _again(self, delivery: Delivery, status: int, reason: str, at_least: timedelta = timedelta()) -> None:
        if delivery.attempt > len(_PAUSES):
            await self._given_up(delivery, status, reason)
            return
        pause = max(_PAUSES[delivery.attempt - 1] * self._rng.uniform(1.0, 1.2), at_least)
        await self._notices.again(delivery, self._clock.now() + pause, status)

    async def _given_up(self, delivery: Delivery, status: int, reason: str) -> None:
        await self._notices.dead(delivery, status)
        log.warning(
            "notices.delivery.dead",
            organisation_id=delivery.organisation_id,
            message_id=delivery.delivery_id,
            reason=reason,
            code=status,
        )


def _wanted_pause(retry_after: str) -> timedelta:
    """What a `Retry-After` in seconds asks for, as far as we heed it; nothing for any other."""
    if not (retry_after.isascii() and retry_after.isdecimal()):
        return timedelta()
    # Digits without end are more than the interpreter reads, and more than a timedelta holds.
    return _PAUSES[-1] if len(retry_after) > _MOST_DIGITS else min(timedelta(seconds=int(retry_after)), _PAUSES[-1])
