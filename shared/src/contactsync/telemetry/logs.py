"""Log set-up of a process: JSON lines on standard output, from our own loggers and from the libraries'.

    log: Log = get_logger(__name__)
    log.info("sync.run.finished", planned=12, took_s=3.1)

The event is a fixed dotted name; the facts are fields. Levels: error means that somebody must act.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Final, TypeAlias
from uuid import UUID

import orjson
import structlog

from contactsync.telemetry.redaction import redact

Log: TypeAlias = structlog.typing.FilteringBoundLogger

_QUIET_LIBRARIES: Final = ("aio_pika", "aiormq", "asyncio", "httpcore2", "httpx2", "sqlalchemy", "uvicorn.access")
"""They tell every connection or request at `info`, ours are told by events of our own."""


def get_logger(name: str) -> Log:
    """A logger; it takes effect as the process is set up when it is used, not when it is made."""
    logger: Log = structlog.get_logger(name)
    return logger


def configure_logging(service: str, *, level: str = "INFO", stream: BinaryIO | None = None) -> None:
    """Send every log line of this process, redacted, to `stream` (standard output) as JSON.

    Libraries keep their loggers' names; uvicorn must be started with `log_config=None`. Uncaught exceptions are logged
    too. Raises ValueError for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level {level!r}: one of DEBUG, INFO, WARNING, ERROR, CRITICAL")

    def named(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            named,
            redact,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stdout.buffer),
        cache_logger_on_first_use=False,
    )
    _route_libraries(number)
    sys.excepthook = _log_crash


@contextmanager
def log_context(
    *,
    organisation_id: UUID | None = None,
    config_id: UUID | None = None,
    run_id: UUID | None = None,
    slice: int | None = None,  # noqa: A002 -- the product's word
    message_id: str | UUID | None = None,
    correlation_id: str | UUID | None = None,
) -> Iterator[None]:
    """Put these ids on every line that this task, and tasks that it starts, logs inside the block."""
    ids = {
        "organisation_id": organisation_id,
        "config_id": config_id,
        "run_id": run_id,
        "slice": slice,
        "message_id": message_id,
        "correlation_id": correlation_id,
    }
    with structlog.contextvars.bound_contextvars(**{key: value for key, value in ids.items() if value is not None}):
        yield


class LibraryHandler(logging.Handler):
    """Turns a library's record into an event that says which logger spoke, and where in its code.

    The text is left out: a template that was put together before it was logged looks like any other.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record's place and exception."""
        place = "/".join(record.pathname.replace("\\", "/").split("/")[-2:])
        get_logger(record.name).log(
            record.levelno,
            "library.message",
            logger=record.name,
            source=f"{place}:{record.lineno}",
            exc_info=record.exc_info,
        )


def _route_libraries(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [LibraryHandler()]
    root.setLevel(level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_UTC_Z)


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_logger(__name__).critical("process.crashed", exc_info=(kind, error, traceback))
