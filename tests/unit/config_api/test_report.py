"""Reports as CSV: data of strangers, opened in spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from config_api.runs.report import as_csv
from config_api.web.language import Language
from contactsync.domain.ids import LinkId
from contactsync.domain.outcome import Outcome
from contactsync.ports.state import RunContact

_FORMULA = re.compile(r"""[\s"]*[=+\-@\uff0b\uff0d\uff1d\uff20]""")


async def exported(name: str) -> str:
    """The report of one contact of this name."""

    async def pages() -> AsyncIterator[Sequence[RunContact]]:
        yield [RunContact(link_id=LinkId(UUID(int=1)), outcome=Outcome.CREATED, name=name)]

    return b"".join([part async for part in as_csv(pages(), Language.FRENCH)]).decode("utf-8-sig")


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "@SUM(A1)",
        "\t=1+1",
        " =1+1",
        "\uff1d1+1",
        "Ada;=cmd|' /C calc'!A0;",
        'Ada;"=1+1"',
        "Ada; +1",
        "Ada\t=1+1",
        "Ada\n-1+1",
    ],
)
async def test_no_cell_begins_a_formula_whatever_a_spreadsheet_takes_for_the_separator(name: str) -> None:
    """Where the comma is for decimals, as in French, spreadsheets part cells by semicolons."""
    text = await exported(name)
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            lines = [line for cell in row for line in cell.splitlines()]
            assert not [line for line in lines if _FORMULA.match(line)], (separator, row)


@pytest.mark.parametrize("name", ["Ada Lovelace", "Jean-Luc", "Ada; Countess", "a=b", "", "O'Neill", "Zoë + Sons"])
async def test_other_text_is_as_it_is(name: str) -> None:
    header, row = csv.reader(io.StringIO(await exported(name)))
    assert row[header.index("name")] == name
