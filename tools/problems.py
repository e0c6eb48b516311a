"""Writes `docs/problems.md`, the list of all problems that config-api answers with: `python tools/problems.py`."""

from __future__ import annotations

from pathlib import Path

from config_api.web.fields import SENTENCES
from config_api.web.language import Language
from config_api.web.problems import PROBLEMS

PAGE = Path(__file__).resolve().parents[1] / "docs/problems.md"
_HEAD = """# Problems

Every error of the HTTP interface is `application/problem+json` (RFC 9457). `code` is stable: switch on it. `title` is a
sentence for a person, in English or French by `Accept-Language`; `detail` says more where there is more to say;
`errors` lists all values that are not accepted by their fields, each with a code and a sentence; `request_id` finds the
request in the logs, and is the header `X-Request-Id` too. `Retry-After` stands beside problems that pass by themselves.

The description at `/v1/openapi.json` names for each call the problems that it may answer with. This page is written by
`python tools/problems.py`.

| status | code | what it says |
|---|---|---|
"""

_CODES = """
## Codes of `errors`

| code | what it says |
|---|---|
"""


def page() -> str:
    """The page, by status and code."""
    listed = sorted(PROBLEMS.values(), key=lambda problem: (problem.status, problem.code))
    rows = (f"| {problem.status} | `{problem.code}` | {problem.texts[Language.ENGLISH]} |\n" for problem in listed)
    codes = (f"| `{code}` | {SENTENCES[code][Language.ENGLISH]} |\n" for code in sorted(SENTENCES))
    return _HEAD + "".join(rows) + _CODES + "".join(codes)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
