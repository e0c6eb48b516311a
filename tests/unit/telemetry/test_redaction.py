"""Nothing secret and nothing personal leaves through a log line, whichever way it came in."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson
import pytest
import structlog

from contactsync.errors import RecordRejectedError
from contactsync.ports.queue import Lane
from contactsync.telemetry.logs import configure_logging, get_logger, log_context

CANARIES = (
    "canary.person@example.org",
    "Canary Person",
    "+41 79 555 12 34",
    "41795551234",
    "1000.c0ffee5ec2e7c0ffee5ec2e7.canary",
    "ya29.a0-canary-token",
    "https://accounts.example.org/oauth?code=canary-code&state=canary",
)


class Lines:
    """What was logged since the start of the test."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def events(self) -> list[dict[str, object]]:
        return [orjson.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log of a process that was set up for production, at its most talkative."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, sys.excepthook
    lines = Lines()
    configure_logging("tester", level="DEBUG", stream=lines.stream)
    yield lines
    structlog.reset_defaults()
    root.handlers, root.level, sys.excepthook = handlers, level, hook


def failing(message: str) -> None:
    raise ValueError(message)


def wrapped(message: str) -> None:
    try:
        failing(message)
    except ValueError as error:
        raise RecordRejectedError(message, reason=message, details={"note": message, "status": 400}) from error


@pytest.mark.parametrize("canary", CANARIES)
def test_no_field_whatever_its_key_lets_a_secret_through(lines: Lines, canary: str) -> None:
    log = get_logger("test")
    for key in ("email", "name", "phone", "url", "reason", "error", "run_id", "google_id", "crm_id", "trace", "route"):
        log.info("test.canary.field", **{key: canary})
        log.info("test.canary.list", **{key: [canary]})
        log.info("test.canary.mapping", **{key: {canary: canary, "inner": canary}})
        log.info("test.canary.object", **{key: ValueError(canary)})
    log.info("test.canary.key", **{canary: 1})
    log.info(canary)
    assert len(lines.events) == 46
    assert canary not in lines.text


@pytest.mark.parametrize("canary", CANARIES)
def test_no_exception_lets_a_secret_through(lines: Lines, canary: str) -> None:
    log = get_logger("test")
    try:
        wrapped(canary)
    except RecordRejectedError as error:
        log.exception("test.canary.exception")
        log.exception("test.canary.group", exc_info=ExceptionGroup(canary, [error, KeyError(canary)]))
        sys.excepthook(type(error), error, error.__traceback__)
    assert len(lines.events) == 3
    assert canary not in lines.text


@pytest.mark.parametrize("canary", CANARIES)
def test_no_library_lets_a_secret_through(lines: Lines, canary: str) -> None:
    for name in ("uvicorn.error", "aio_pika", "sqlalchemy.engine", "somebody.else"):
        library = logging.getLogger(name)
        library.warning("connected to %s", canary)
        library.warning(f"connected to {canary}")
        library.error(f"connected to {canary} as %s", canary)
        try:
            failing(canary)
        except ValueError:
            library.exception("connection %r failed", canary)
    assert len(lines.events) == 16
    assert "canary" not in lines.text.lower().replace("test_redaction", "")


def test_facts_that_may_be_logged_come_through_as_they_are(lines: Lines) -> None:
    run_id = uuid4()
    get_logger("test").info(
        "sync.run.finished",
        run_id=run_id,
        lane=Lane.INITIAL,
        applied=12,
        took_s=1.5,
        pause=timedelta(seconds=2),
        pause_s=timedelta(seconds=2).total_seconds(),
        finished_at=datetime(2026, 3, 1, tzinfo=UTC),
        counts={"created": 3, "updated": 4},
        crm_id="4876876000000123456",
        google_id="people/c8120387",
        reason="view_gone",
        permissions=["contacts_view"],
        retry_after_s=None,
    )
    event = lines.events[0]
    assert event.pop("timestamp")
    assert event == {
        "level": "info",
        "event": "sync.run.finished",
        "service": "tester",
        "run_id": str(run_id),
        "lane": "sync.initial",
        "applied": 12,
        "took_s": 1.5,
        "pause": "[redacted]",
        "pause_s": 2.0,
        "finished_at": "2026-03-01T00:00:00Z",
        "counts": {"created": 3, "updated": 4},
        "crm_id": "4876876000000123456",
        "google_id": "people/c8120387",
        "reason": "view_gone",
        "permissions": ["contacts_view"],
        "retry_after_s": None,
    }


def test_an_exception_is_told_by_types_codes_and_places(lines: Lines) -> None:
    try:
        wrapped("Canary Person")
    except RecordRejectedError:
        get_logger("test").exception("test.write.failed")
    described = lines.events[0]["exception"]
    assert isinstance(described, list)
    outer, inner = described
    assert outer["type"] == "RecordRejectedError"
    assert (outer["reason"], outer["details"]) == ("[redacted]", {"note": "[redacted]", "status": 400})
    assert inner["type"] == "ValueError"
    assert any(":failing:" in place for place in inner["frames"])


def test_a_library_is_told_by_logger_and_place(lines: Lines) -> None:
    logging.getLogger("somebody").warning("connected to %s", "Canary Person")
    event = lines.events[0]
    assert (event["event"], event["logger"], event["level"]) == ("library.message", "somebody", "warning")
    assert str(event["source"]).startswith("telemetry/test_redaction.py:")


def test_ids_that_were_bound_are_on_every_line_of_the_block_and_on_none_after_it(lines: Lines) -> None:
    run_id, organisation_id = uuid4(), uuid4()
    log = get_logger("test")
    with log_context(run_id=run_id, organisation_id=organisation_id, slice=3):
        log.info("test.inside.block")
    log.info("test.outside.block")
    inside, outside = lines.events
    assert (inside["run_id"], inside["organisation_id"], inside["slice"]) == (str(run_id), str(organisation_id), 3)
    assert "run_id" not in outside


def test_the_level_is_kept_and_an_unknown_one_is_refused(lines: Lines) -> None:
    configure_logging("tester", level="warning", stream=lines.stream)
    log = get_logger("test")
    log.info("test.too.quiet")
    log.warning("test.loud.enough")
    assert [event["event"] for event in lines.events] == ["test.loud.enough"]
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("tester", level="LOUD")


def test_an_id_that_is_no_id_is_masked(lines: Lines) -> None:
    get_logger("test").info("test.wrong.id", run_id="john", user_id=str(UUID(int=5)))
    assert lines.events[0]["run_id"] == "[redacted]"
    assert lines.events[0]["user_id"] == str(UUID(int=5))
