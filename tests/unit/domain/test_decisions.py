"""`docs/decisions.md` says what the code does: every cell of its tables is computed again."""

from __future__ import annotations

import re
from itertools import dropwhile, product, takewhile
from pathlib import Path

import pytest

from contactsync.domain.merge import FieldState, verdict
from contactsync.domain.reasons import SENTENCES
from tests.unit.domain.tables import RULES, Table, all_tables

_DOCUMENT = Path(__file__).parents[3] / "docs" / "decisions.md"
_LINK = re.compile(r"\((\w+)\)$")


def _printed(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, the header first."""
    section = _DOCUMENT.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = dropwhile(lambda line: not line.startswith("|"), section.splitlines())
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in takewhile(lambda x: x.startswith("|"), lines)
    ]
    return [row for row in rows if set("".join(row)) != {"-"}]


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.heading)
def test_every_cell_is_what_the_code_decides(table: Table) -> None:
    header, *rows = _printed(table.heading)
    assert header == list(table.header)
    computed = dict(table.rows)
    printed = {
        tuple(row[: len(lead)]): tuple(row[len(lead) :]) for row, (lead, _) in zip(rows, table.rows, strict=True)
    }
    wrong = [(lead, printed.get(lead), answers) for lead, answers in computed.items() if printed.get(lead) != answers]
    assert not wrong, f"write this table into docs/decisions.md if the code is right:\n{table.markdown()}"


def test_every_reason_in_the_tables_has_a_sentence() -> None:
    cells = [cell for table in all_tables() for row in _printed(table.heading) for cell in row]
    reasons = {match.group(1) for cell in cells if (match := _LINK.search(cell))}
    assert {"adopted", "kept_after_deletion", "one_way"} <= reasons <= SENTENCES.keys()


def _shape(state: FieldState) -> tuple[object, ...]:
    """A field with its values renamed in the order in which they occur; only equality and emptiness matter."""
    names: dict[bytes, str] = {state.empty: "–"}
    values = (state.crm_base, state.google_base, state.crm, state.google)
    return (*(None if one is None else names.setdefault(one, f"v{len(names)}") for one in values), state.diverged)


def test_the_table_of_fields_has_a_row_for_every_shape_of_agreed_and_unagreed_fields() -> None:
    """All ways in which two sides can show equal, different and empty values against no base or one base."""
    printed = {_shape(_read(row)) for row in _printed("One field")[1:]}
    digests = (b"", b"a", b"b", b"c")
    shapes = {
        _shape(FieldState(crm, google, base, base, b""))
        for base, crm, google in product((None, *digests), digests, digests)
    }
    assert shapes <= printed


def _read(row: list[str]) -> FieldState:
    digests = {"none": None, "–": b""}
    crm_base, google_base, crm, google = (digests.get(cell, cell.encode()) for cell in row[:4])
    assert crm is not None
    assert google is not None
    return FieldState(crm, google, crm_base, google_base, b"", diverged=row[4] == "yes")


def test_the_verdict_depends_on_nothing_but_the_shape() -> None:
    """Renaming the values of a field changes no verdict, so one row stands for all fields of its shape."""
    digests = (b"", b"a", b"b", b"c", b"d")
    seen: dict[tuple[object, ...], object] = {}
    for crm, google, kept in product(digests, digests, (False, True)):
        for bases in product(digests, digests):
            state = FieldState(crm, google, *bases, b"", diverged=kept)
            answers = tuple(verdict(state, rules) for rules in RULES.values())
            assert seen.setdefault(_shape(state), answers) == answers
