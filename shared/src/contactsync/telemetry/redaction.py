"""The processor that every log line passes last: what is not allowed is masked, whoever logged it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import timedelta
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

from contactsync.errors import ContactSyncError
from contactsync.telemetry.fields import Form, form_of, is_name, plain

MASK: Final = "[redacted]"
UNNAMED: Final = "log.unnamed_event"

_EVENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+){1,5}")
_MOST_ITEMS = 50
_MOST_FRAMES = 30
_MOST_LINKS = 8
_KEPT: Final = frozenset({"event", "exception", "level", "timestamp"})


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event with its name checked, its exception described without its message, and the rest by the allow-list."""
    clean: dict[str, Any] = {"timestamp": event.get("timestamp"), "level": event.get("level")}
    name = event.get("event")
    clean["event"] = name if isinstance(name, str) and _EVENT.fullmatch(name) else UNNAMED
    for key, value in event.items():
        if key in _KEPT or key in {"exc_info", "stack_info"}:
            continue
        if not is_name(key):
            clean["unnamed_fields"] = True
            continue
        clean[key] = _masked(form_of(key), value)
    error = _error_of(event.get("exc_info"))
    if error is not None:
        clean["exception"] = list(describe(error))
    return clean


def describe(error: BaseException) -> Iterator[dict[str, object]]:
    """The exception and what it came from, outermost first: types, codes and places, never a message or an argument."""
    link: BaseException | None = error
    for _ in range(_MOST_LINKS):
        if link is None:
            return
        described: dict[str, object] = {"type": type(link).__qualname__, "frames": _frames(link.__traceback__)}
        if isinstance(link, ContactSyncError):
            described["reason"] = _masked(is_name, link.reason)
            described["details"] = {
                key: _masked(form_of(key), value) for key, value in link.details.items() if is_name(key)
            }
        if isinstance(link, BaseExceptionGroup):
            described["group"] = [list(describe(member)) for member in link.exceptions[:_MOST_LINKS]]
        yield described
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _frames(traceback: TracebackType | None) -> list[str]:
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_name}:{line}" for frame, line in walk_tb(traceback)
    ]
    return places[-_MOST_FRAMES:]


def _error_of(exc_info: object) -> BaseException | None:
    match exc_info:
        case True:
            return sys.exception()
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case _:
            return None


def _masked(form: Form | None, value: object) -> object:
    """The value, or the mask where it has not the form; items of lists and mappings one by one."""
    if value is None or form is None:
        return None if value is None else MASK
    match value:
        case str():
            return plain(value) if form(plain(value)) else MASK
        case Mapping():
            items = list(value.items())[:_MOST_ITEMS]
            return {key: _masked(form, item) for key, item in items if is_name(key)}
        case Sequence() | set() | frozenset():
            return [_masked(form, item) for item in list(value)[:_MOST_ITEMS]]
        case _:
            item = plain(value)
            if not form(item):
                return MASK
            return item.total_seconds() if isinstance(item, timedelta) else item
