"""What became of the steps of the demonstration, for machines: `.run/demo-report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from standalone.measure import Cost


@dataclass(frozen=True, slots=True)
class Step:
    """One run: as config-api reports it, what it cost, and the fewest data calls that it could have done with."""

    run: Mapping[str, Any]
    cost: Cost
    minimum_calls: int

    @property
    def data_calls(self) -> int:
        """All data calls of the run."""
        return sum(self.run["calls"].values())

    @property
    def contacts(self) -> dict[str, int]:
        """Contacts by outcome, those with none left out."""
        return {outcome: amount for outcome, amount in self.run["counts"].items() if amount}

    def as_json(self) -> dict[str, Any]:
        """The step's part of the report."""
        run = self.run
        return {
            "state": run["state"],
            "seconds": round(self.cost.seconds, 3),
            "contacts": {"selected": run["selected"], **self.contacts},
            "calls": run["calls"],
            "control_calls": run["control_calls"],
            "minimum_calls": self.minimum_calls,
            "writes": run["writes"],
            "peak_rss_mib": round(self.cost.peak_rss_mib, 1),
        }


def write_report(path: Path, steps: Mapping[str, Step], surroundings: Mapping[str, Any]) -> None:
    """Write the report; a reader never sees half of it."""
    report = {**{name: step.as_json() for name, step in steps.items()}, "surroundings": surroundings}
    draft = path.with_suffix(".new")
    draft.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    draft.replace(path)
