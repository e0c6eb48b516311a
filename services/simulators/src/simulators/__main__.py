"""`python -m simulators`: both vendors in one process, until a signal or the end of standard input."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvloop
from pydantic import ValidationError
from starlette.types import ASGIApp

from simulators import google, zoho
from simulators.keeping import Keepable, KeptStateError, keep, take
from simulators.server import serve, until_end_of


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    parser.add_argument("--google-port", type=int, default=0, help="port of the Google simulator; 0 takes a free one")
    parser.add_argument("--zoho-port", type=int, default=0, help="port of the Zoho simulator; 0 takes a free one")
    parser.add_argument("--latency-scale", type=float, help="factor on the vendors' latencies; 0 answers at once")
    parser.add_argument("--settings", help='JSON, or @FILE: {"google": {...}, "zoho": {...}}')
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep the state there at the end, go on with it")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    return parser.parse_args(argv)


def settings_of(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The settings of each simulator. Raises ValueError with one clear line."""
    text: str = options.settings or "{}"
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    given = orjson.loads(text)
    if not isinstance(given, dict) or (unknown := set(given) - {"google", "zoho"}):
        reason = f"--settings: an object with the keys google and zoho is needed, not {sorted(unknown)}"
        raise ValueError(reason)
    settings: dict[str, dict[str, Any]] = {"google": given.get("google", {}), "zoho": given.get("zoho", {})}
    if options.latency_scale is not None:
        for values in settings.values():
            values["latency_scale"] = options.latency_scale
    return settings


async def run(options: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> None:
    """Serve until asked to stop."""
    # Simulated contacts stay for good: looking among them for garbage after every few writes finds nothing.
    gc.set_threshold(50_000, 50, 100)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    google_app = google.create_app(google.GoogleSettings.model_validate(settings["google"]))
    crm = zoho.ZohoSimulator(zoho.ZohoSettings.model_validate(settings["zoho"]))
    apps: dict[str, ASGIApp] = {"google": google_app, "zoho": crm.app}
    ports = {"google": options.google_port, "zoho": options.zoho_port}
    watcher = asyncio.create_task(until_end_of(sys.stdin, stop)) if options.exit_with_parent else None
    try:
        with _kept_in(options.state, {"google": google_app.state.simulator, "zoho": crm}):
            await serve(apps, ports, stop=stop)
    finally:
        if watcher is not None:
            watcher.cancel()


@contextmanager
def _kept_in(folder: Path | None, simulators: Mapping[str, Keepable]) -> Iterator[None]:
    """The state is taken from `folder` before the block and put there after it, however that ends."""
    if folder is None:
        yield
        return
    take(folder, simulators)
    try:
        yield
    finally:
        keep(folder, simulators)


def main(argv: Sequence[str] | None = None) -> int:
    """Start the simulators; 2 for a command line or a kept state that cannot be followed, 1 for a taken port."""
    options = arguments(argv)
    try:
        settings = settings_of(options)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(options, settings))
    except (KeptStateError, ValueError, ValidationError) as error:
        sys.stderr.write(f"simulators: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"simulators: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
