"""A run's progress as server-sent events (WHATWG HTML, 9.2), until it ends.

Each event is the whole run as it stands, so that nothing is lost between two: whoever comes back with `Last-Event-ID`
is told the newest state, and nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from config_api.runs.report import shown
from config_api.web.language import Language
from contactsync.errors import UnknownRowError
from contactsync.ports.clock import Clock
from contactsync.ports.reports import RunReport
from contactsync.waiting import first_of

MEDIA_TYPE: Final = "text/event-stream"
EVENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "To send as Last-Event-ID"},
        "event": {"enum": ["progress", "end"]},
        "data": {"type": "string", "description": "The run as JSON, as GET /v1/runs/{run_id} tells it"},
    },
}
EXAMPLE: Final = 'id: 1772355600.000000\nevent: progress\ndata: {"state":"running"}\n\n'
_LOOK_EVERY_S: Final = 1.0
_SIGN_OF_LIFE_S: Final = 15.0
"""Proxies cut connections that are silent for longer than some tens of seconds."""


async def events(
    look: Callable[[], Awaitable[RunReport]],
    last_seen: str | None,
    language: Language,
    clock: Clock,
    stopping: asyncio.Event,
) -> AsyncIterator[bytes]:
    """The stream: `progress` at each change, `end` at the end; ends early when the process does, or the run is gone."""
    yield b"retry: 2000\n\n"
    told_at = clock.monotonic()
    while not stopping.is_set():
        try:
            report = await look()
        except UnknownRowError:  # its configuration was deleted
            return
        event_id = _event_id(report)
        if event_id != last_seen or not report.state.open:
            yield _event(report, event_id, language)
            last_seen, told_at = event_id, clock.monotonic()
        elif clock.monotonic() - told_at >= _SIGN_OF_LIFE_S:
            yield b": still here\n\n"
            told_at = clock.monotonic()
        if not report.state.open:
            return
        await first_of(stopping.wait(), clock.sleep(_LOOK_EVERY_S))


def _event_id(report: RunReport) -> str:
    return f"{report.updated_at.timestamp():.6f}"


def _event(report: RunReport, event_id: str, language: Language) -> bytes:
    name = "progress" if report.state.open else "end"
    return f"id: {event_id}\nevent: {name}\ndata: {shown(report, language).model_dump_json()}\n\n".encode()
