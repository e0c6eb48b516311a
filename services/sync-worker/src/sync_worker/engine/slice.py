"""One slice of a run: the phases in order, and the one place that says what an error means for the run."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import structlog

from contactsync.domain.reasons import Reason
from contactsync.errors import (
    AuthorizationLostError,
    ContactSyncError,
    Disposition,
    PermissionMissingError,
    ProviderContractError,
    QuotaKeptError,
    RateLimitedError,
    SyncTokenExpiredError,
    TemporaryError,
)
from contactsync.ports.state import Phase, RunMode, RunState
from sync_worker.engine.apply import apply
from sync_worker.engine.deletes import delete, delete_approved
from sync_worker.engine.finish import end_unwanted, finish, give_up, hand_on, stop, wait
from sync_worker.engine.google_reader import read_google_in_full
from sync_worker.engine.observe import observe
from sync_worker.engine.reconcile import look_up, recover
from sync_worker.engine.search import search
from sync_worker.engine.session import RunCancelledError, Session

log = structlog.get_logger(__name__)

_MAX_BACKOFF_S = 300.0
_LONGEST_ACCOUNT_WAIT_S = 6 * 3600.0
_UNNAMED = frozenset({PermissionMissingError.reason, AuthorizationLostError.reason})
"""Refusals that do not say what exactly is missing."""


async def run_slice(session: Session, rng: Random) -> None:
    """Work until the run ends, has to wait, or the slice's time is used up; then write down how to go on.

    Raises LeaseLostError, with nothing written, when somebody else may be working on the account; any error that is
    not of our tree, with the slice's attempt counted.
    """
    try:
        await _work(session, rng)
    except RunCancelledError:
        await end_unwanted(session)
    except SyncTokenExpiredError:
        await read_google_in_full(session)
        await _enter(session, Phase.OBSERVE)
        await hand_on(session)
    except AuthorizationLostError as error:
        await _handle(session, await _named(session, error), rng)
    except ContactSyncError as error:
        await _handle(session, error, rng)


async def _work(session: Session, rng: Random) -> None:
    if session.ports.rights is not None:
        await session.ports.rights.require()
    await recover(session)
    while not session.over:
        if session.run.phase is Phase.FINISH:
            await finish(session)
            return
        done, then = await _step(session)
        if done and session.put_off:
            await _retry_later(session, session.put_off, None, rng)
            return
        if done and then is Phase.DELETE and session.unknown:
            if (until := await look_up(session)) is not None:
                await wait(session, until, "outcome_unknown")
                return
        elif done:
            await _enter(session, then)
    await hand_on(session)


async def _named(session: Session, refused: AuthorizationLostError) -> ContactSyncError:
    """The refusal of a call, with what was withdrawn, where the CRM tells it: a right by its name, or the user."""
    if session.ports.rights is None or refused.reason not in _UNNAMED:
        return refused
    try:
        await session.ports.rights.require(afresh=True)
    except AuthorizationLostError as error:
        # A grant that is lost may be Google's: of the CRM's answers, only that the user is gone explains it.
        explains = isinstance(refused, PermissionMissingError) or error.reason == Reason.USER_INACTIVE
        return error if explains else refused
    except ContactSyncError as error:
        log.info("sync.rights.unknown", reason=error.reason)
    return refused


async def _step(session: Session) -> tuple[bool, Phase]:
    """Work on the present phase; whether it is done, and what comes then."""
    match session.run.phase:
        case Phase.OBSERVE if session.run.mode is RunMode.APPROVED_DELETES:
            return await delete_approved(session), Phase.FINISH
        case Phase.OBSERVE:
            return await observe(session), Phase.SEARCH
        case Phase.SEARCH:
            return await search(session), Phase.APPLY if session.observed else Phase.OBSERVE
        case Phase.APPLY:
            done = await apply(session)
            if not session.observed:
                return done, Phase.OBSERVE
            return done, Phase.SEARCH if session.run.search_page is None else Phase.DELETE
        case _:
            return await delete(session), Phase.FINISH


async def _enter(session: Session, phase: Phase) -> None:
    async with session.transaction():
        session.update(phase=phase)


async def _handle(session: Session, error: ContactSyncError, rng: Random) -> None:
    log.warning("sync.slice.stopped", reason=error.reason, phase=str(session.run.phase), error=type(error).__name__)
    match error.disposition:
        case Disposition.RETRY_LATER | Disposition.LOOK_UP | Disposition.RESTART_LISTING:
            if isinstance(error, RateLimitedError) and not isinstance(error, QuotaKeptError):
                session.refused(error)
            await _retry_later(session, error.reason, _retry_after(error, session.run.retries), rng)
        case Disposition.PAUSE_CONFIGURATION | Disposition.PAUSE_CONNECTION:
            await stop(session, RunState.FAILED, error.reason, pause=True)
        case Disposition.DROP_WORK | Disposition.STOP_PROCESS | Disposition.DEAD_LETTER:
            raise error
        case _:
            message = error.provider_message if isinstance(error, ProviderContractError) else ""
            await give_up(session, error.reason, message)


async def _retry_later(session: Session, reason: str, retry_after_s: float | None, rng: Random) -> None:
    retries = session.run.retries + 1
    await wait(session, session.now() + next_delay(retries, retry_after_s, rng), reason, retries=retries)


def _retry_after(error: ContactSyncError, retries: int) -> float | None:
    """What the provider asked for; Google's quota for the account itself comes back after hours and not a minute."""
    asked = error.retry_after_s if isinstance(error, TemporaryError) else None
    if asked is None or error.reason != Reason.GOOGLE_ACCOUNT_QUOTA:
        return asked
    return max(asked, min(asked * 2.0**retries, _LONGEST_ACCOUNT_WAIT_S))


def next_delay(attempt: int, retry_after_s: float | None, rng: Random) -> timedelta:
    """How long to wait before trying again; `attempt` counts from 1.

    Full jitter below min(300 s, 2**attempt s), never less than what the provider asked for.
    Source: RFC 9110, 10.2.3; M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.
    """
    jittered = rng.uniform(0.5, min(_MAX_BACKOFF_S, 2.0 ** min(attempt, 16)))
    return timedelta(seconds=max(jittered, retry_after_s or 0.0))
