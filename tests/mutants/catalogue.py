"""What is broken, one at a time: the entries of `catalogue.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("shared/src", *(f"services/{name}/src" for name in ("config-api", "sync-worker", "standalone")))


@dataclass(frozen=True, slots=True)
class Mutant:
    """One place where the product is broken: `old` becomes `new`, and one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str

    def broken(self, text: str) -> str:
        """The file's text with the mutant in it. Raises AssertionError where `old` does not stand in it once."""
        count = text.count(self.old)
        assert count == 1, f"{self.file} holds the text of {self.name!r} {count} times"
        return text.replace(self.old, self.new)


MUTANTS = [Mutant(**entry) for entry in tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text())["mutant"]]
