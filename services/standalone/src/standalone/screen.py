"""What a person sees: banner, live progress, reports. On a terminal with bars and colours, elsewhere as plain lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from standalone.report import Step

_PLAIN_EVERY_S: Final = 2.0
_SIDES: Final = {"crm": "Zoho CRM", "google": "Google"}
_PHASES: Final = {
    "observe": "reading both sides",
    "search": "looking for people outside the view and the group",
    "apply": "writing",
    "delete": "deleting",
    "finish": "counting",
}
_OUTCOMES: Final = {
    "created": "created on the other side",
    "updated": "updated",
    "linked": "found on both sides and joined",
    "deleted": "deleted",
    "unchanged": "unchanged",
    "skipped": "skipped by a rule",
    "waiting": "waiting for the next run",
    "held": "held for a decision",
    "failed": "failed",
}


class RunView(Protocol):
    """Where the progress of one run is shown."""

    def show(self, run: Mapping[str, Any]) -> None:
        """Show the run as it stands now."""
        ...


class Screen:
    """The output of one start."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def banner(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        """Who speaks, and what runs where."""
        table = Table.grid(padding=(0, 2))
        for name, value in facts:
            table.add_row(Text(f"  {name}", style="dim"), Text(value))
        self._console.print(Text(title, style="bold"))
        self._print(table)
        self._console.print()

    def did(self, text: str) -> None:
        """A step that is done."""
        self._console.print(Text.assemble(("  ✓ ", "green"), text))

    def say(self, text: str = "") -> None:
        """A line, never broken: it may be an address."""
        self._console.print(Text(text), soft_wrap=True)

    def heading(self, text: str) -> None:
        """What comes next."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def failed(self, text: str) -> None:
        """Why it ends."""
        self._console.print(Text(text, style="red"))

    @contextmanager
    def run_view(self, *, keep: bool = True) -> Iterator[RunView]:
        """A view on one run, until the end of the block; what it showed last stays, or not."""
        if not self._console.is_terminal:
            yield _Lines(self._console)
            return
        bars = _Bars()
        with Live(bars.renderable, console=self._console, refresh_per_second=10, transient=not keep):
            yield bars

    def report(self, title: str, step: Step) -> None:
        """What became of a run's contacts, and what it cost, beside what it could have cost."""
        calls = f"data calls; the minimum is {step.minimum_calls:,}:"
        cost = (f"{step.cost.seconds:.1f} s", f"{step.cost.peak_rss_mib:.0f} MiB of memory at most")
        self.run_report(title, step.run, calls=calls, cost=cost)

    def run_report(
        self, title: str, run: Mapping[str, Any], *, calls: str = "data calls:", cost: tuple[str, str] | None = None
    ) -> None:
        """What became of a run's contacts."""
        self.heading(title)
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_column(justify="right")
        table.add_column()
        for outcome, amount in run["counts"].items():
            if amount:
                table.add_row(f"{amount:,}", _OUTCOMES[outcome])
        table.add_row(f"{run['selected']:,}", Text("contacts in all", style="bold"))
        table.add_row("", "")
        for name, amount in sorted(run["writes"].items()):
            side, kind = name.split(".", 1)
            table.add_row(f"{amount:,}", f"{_SIDES[side]}: {kind.replace('_', ' ')}")
        table.add_row(f"{sum(run['calls'].values()):,}", calls)
        for vendor in ("zoho", "google"):
            made = {name: amount for name, amount in sorted(run["calls"].items()) if name.startswith(vendor)}
            told = ", ".join(f"{amount} {name.partition('.')[2]}" for name, amount in made.items())
            table.add_row("", Text(f"{vendor}: {told or 'none'}", style="dim"))
        table.add_row(f"{sum(run['control_calls'].values()):,}", "control calls: rights, metadata, tokens")
        if cost is not None:
            table.add_row(*cost)
        self._print(table)

    def summary(self, steps: Mapping[str, Step]) -> None:
        """All runs side by side."""
        table = Table(box=None, padding=(0, 2), header_style="bold")
        table.add_column("")
        for name in steps:
            table.add_column(name.replace("_", " "), justify="right")
        rows: list[tuple[str, list[str]]] = [
            ("contacts", [f"{step.run['selected']:,}" for step in steps.values()]),
            ("writes", [f"{sum(step.run['writes'].values()):,}" for step in steps.values()]),
            ("data calls", [f"{step.data_calls:,}" for step in steps.values()]),
            ("minimum", [f"{step.minimum_calls:,}" for step in steps.values()]),
            ("seconds", [f"{step.cost.seconds:.1f}" for step in steps.values()]),
            ("MiB at most", [f"{step.cost.peak_rss_mib:.0f}" for step in steps.values()]),
        ]
        for name, values in rows:
            table.add_row(Text(name, style="dim"), *values)
        self._console.print()
        self._print(table)

    def _print(self, table: Table) -> None:
        """A table; where nobody looks, without the blanks that fill its lines."""
        if self._console.is_terminal:
            self._console.print(table)
            return
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():
            self._console.out(line.rstrip(), highlight=False)


class _Pace:
    """Contacts a second, from the last look before the first one to the last one."""

    def __init__(self) -> None:
        self._began = self._ended = time.monotonic()
        self._done = 0

    def note(self, done: int) -> float | None:
        """The pace now that so many are done; None before the first."""
        now = time.monotonic()
        if not done:
            self._began = now
        if done != self._done:
            self._done, self._ended = done, now
        took = self._ended - self._began
        return done / took if done and took > 0 else None


class _Bars:
    """A bar for each side's reading and writing, and a line that says what is going on."""

    def __init__(self) -> None:
        self._progress = Progress(TextColumn("  {task.description}"), BarColumn(bar_width=36), _Amount(), _Rate())
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._paces: dict[tuple[str, str], _Pace] = {}
        for what in ("read", "written"):
            for side, name in _SIDES.items():
                task = self._progress.add_task(f"{name:<9} {what:<7}", total=1, rate=None, state="")
                self._tasks[side, what], self._paces[side, what] = task, _Pace()
        self._line = Text("  waiting for a worker")
        self.renderable = Group(self._progress, self._line)

    def show(self, run: Mapping[str, Any]) -> None:
        """Move the bars."""
        progress = run["progress"]
        reading = run["state"] == "running" and progress["phase"] == "observe"
        for side in _SIDES:
            one = progress[side]
            self._show_reading(side, one["read"], complete=one["complete"], reading=reading)
            done, left = one["written"], progress["to_write"] if one["complete"] else 0
            self._move(side, "written", done, total=(done + left) or 1, state="")
        self._line.plain = f"  {_doing(run)}"

    def _show_reading(self, side: str, done: int, *, complete: bool, reading: bool) -> None:
        """A bar that is full when all is read, and moves to and fro while nobody knows how much there is."""
        if complete:
            self._move(side, "read", done, total=done, state="all read")
        else:
            self._move(side, "read", done, total=None if reading else 1, state="")

    def _move(self, side: str, what: str, done: int, *, total: int | None, state: str) -> None:
        task = self._tasks[side, what]
        # `total=None` in a call of `update` means no change.
        self._progress.tasks[task].total = total
        rate = self._paces[side, what].note(done)
        self._progress.update(task, completed=done, state=state, rate=rate)


class _Amount(ProgressColumn):
    """`4,200 of 10,000`."""

    def render(self, task: Task) -> Text:
        done = f"{int(task.completed):>7,}" if task.completed or task.fields["state"] else " " * 7
        of = f"of {int(task.total):,}" if task.completed and task.total and task.total > task.completed else ""
        return Text(f"{done} {of or task.fields['state']:<9}", style="cyan")


class _Rate(ProgressColumn):
    """`1,530/s`."""

    def render(self, task: Task) -> Text:
        rate = task.fields["rate"]
        return Text(f"{rate:>8,.0f}/s" if rate else " " * 10, style="dim")


class _Lines:
    """A line when something has changed, two seconds apart at least."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._next = 0.0
        self._last = ""

    def show(self, run: Mapping[str, Any]) -> None:
        """Print a line, perhaps."""
        now = time.monotonic()
        text, ended = _line(run), run["finished_at"] is not None
        # While it waits the seconds alone change, which one line foretells.
        news = f"waiting until {run['wait_until']}" if run["state"] == "waiting" else text
        if news == self._last or (now < self._next and not ended):
            return
        self._last, self._next = news, now + _PLAIN_EVERY_S
        self._console.print(Text(f"  {now - self._began:6.1f} s  {text}"))


def _line(run: Mapping[str, Any]) -> str:
    parts = [
        f"{name} {run['progress'][side][what]:,} {what}"
        for what in ("read", "written")
        for side, name in _SIDES.items()
        if run["progress"][side][what]
    ]
    return "; ".join([_doing(run), *parts])


def _doing(run: Mapping[str, Any]) -> str:
    """What the run does now, or why it does nothing."""
    match run["state"]:
        case "queued":
            return "waiting for a worker"
        case "waiting":
            return f"waiting{_until(run['wait_until'])}: {_why(run)}"
        case "running":
            progress = run["progress"]
            return f"{_PHASES.get(progress['phase'], progress['phase'])}, {progress['percent']} %"
        case ended:
            return f"{ended.replace('_', ' ')}{': ' + _why(run) if run['reason'] else ''}"


def _why(run: Mapping[str, Any]) -> str:
    return str(run["reason_text"] or run["reason"]).rstrip(".")


def _until(instant: str | None) -> str:
    if instant is None:
        return ""
    left = (datetime.fromisoformat(instant) - datetime.now(UTC)).total_seconds()
    return f" {max(left, 0):.0f} s"
