"""Fails when a file of this repository names a machine, a package index, or an undeclared setting.

Locks hold names, versions and hashes, so that they install from whatever index the reader uses; everything else is
true on every machine. Prints one line for each finding: path, line number, what is wrong.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Rule:
    """What must not stand in the files whose path matches."""

    path: re.Pattern[str]
    forbidden: re.Pattern[str]
    reason: str


RULES = (
    Rule(re.compile(r"^requirements/"), re.compile(r"://"), "a lock holds no address"),
    Rule(
        re.compile(r"(^|/)(uv\.lock|pip\.conf|uv\.toml)$"),
        re.compile(r""),
        "this file records addresses of packages",
    ),
    Rule(re.compile(r"(^|/)package-lock\.json$"), re.compile(r'"resolved":'), "a lock holds no address"),
    Rule(
        re.compile(r""),
        re.compile(r"(files\.pythonhosted|pypi|registry\.npmjs|registry\.yarnpkg)\.(org|com)\b|--(extra-)?index-url\b"),
        "the package index is the reader's choice",
    ),
    Rule(
        re.compile(r""),
        re.compile(r"(?<![\w./-])/(home|Users|root|work|mnt|build)/[\w.-]+"),
        "a path of one machine",
    ),
)


def findings(path: str, text: str) -> Iterator[str]:
    """One line for each place in the file at `path` (relative, with slashes) that breaks a rule."""
    for rule in RULES:
        if not rule.path.search(path):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if rule.forbidden.search(line):
                yield f"{path}:{number}: {rule.reason}"


def main() -> int:
    """1 when there is a finding, else 0."""
    found = [finding for path in _tracked_files() for finding in findings(path, _text(path))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


def _tracked_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is where it is
        cwd=_ROOT,
        check=True,
        capture_output=True,
    )
    return [name for name in listing.stdout.decode().split("\0") if name and name not in _EXEMPT]


def _text(path: str) -> str:
    """The file's text; empty for binary files and for those deleted but not yet committed."""
    try:
        return (_ROOT / path).read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return ""


# The rules themselves and their test.
_EXEMPT = {"tools/hygiene.py", "tests/unit/tools/test_hygiene.py"}

if __name__ == "__main__":
    sys.exit(main())
