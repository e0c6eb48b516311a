"""Runs and rows of their reports, from the stored form to what travels."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from config_api.runs.schemas import Progress, Run, RunContact, SideProgress
from config_api.web.language import Language
from contactsync.domain.contact import Side
from contactsync.domain.ids import RowKey
from contactsync.domain.mapping import crm_field_of
from contactsync.domain.reasons import sentence
from contactsync.ports.reports import RunReport
from contactsync.ports.state import RunContact as StoredContact

_WRITES: Final = "writes."
_CALLS: Final = "calls."
_CONTROL: Final = "calls.control."
_FORMULA: Final = re.compile(r"""(^|[;\t\r\n])(?=[\s"]*[=+\-@\uff0b\uff0d\uff1d\uff20])""")
"""Where a formula would begin, in letters of any width: in the cell, and in the cells that a spreadsheet would make of
it which parts them by semicolons, as in French, or by tabs, and then knows nothing of our quotes."""
_COLUMNS: Final = (
    *("outcome", "name", "reason", "explanation", "crm_id", "google_id", "fields", "written", "left_out"),
    *("provider_message", "link_id"),
)


def shown(report: RunReport, language: Language) -> Run:
    """The run as the API tells it."""
    return Run(
        id=report.run_id,
        configuration_id=report.config_id,
        state=report.state,
        mode=report.mode,
        trigger=report.trigger,
        first=report.first,
        reason=report.reason,
        reason_text=sentence(report.reason, language),
        provider_message=report.provider_message,
        wait_until=report.wait_until,
        created_at=report.created_at,
        started_at=report.started_at,
        finished_at=report.finished_at,
        progress=Progress(
            phase=report.phase,
            percent=report.percent,
            crm=_side(report, Side.CRM),
            google=_side(report, Side.GOOGLE),
            to_write=report.to_write,
        ),
        counts=dict(report.outcomes),
        selected=sum(report.outcomes.values()),
        writes=_under(report.counts, _WRITES),
        calls={name: n for name, n in _under(report.counts, _CALLS).items() if not name.startswith("control.")},
        control_calls=_under(report.counts, _CONTROL),
        deletes_to_approve=report.awaiting,
    )


def _side(report: RunReport, side: Side) -> SideProgress:
    listing = report.listings.get(side)
    written = sum(_under(report.counts, f"{_WRITES}{side}.").values())
    return SideProgress(read=listing.seen if listing else 0, complete=bool(listing and listing.done), written=written)


def _under(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): amount for name, amount in counts.items() if name.startswith(prefix)}


def row(contact: StoredContact, language: Language) -> RunContact:
    """One contact of a report as the API tells it."""
    return RunContact(
        link_id=contact.link_id,
        crm_id=contact.crm_id,
        google_id=contact.google_id,
        name=contact.name,
        outcome=contact.outcome,
        reason=contact.reason,
        reason_text=sentence(contact.reason, language),
        fields=list(contact.fields),
        written=list(contact.sides),
        left_out={crm_field_of(RowKey(key)): reason for key, reason in contact.left_out.items()},
        provider_message=contact.provider_message,
    )


async def as_csv(pages: AsyncIterator[Sequence[StoredContact]], language: Language) -> AsyncIterator[bytes]:
    """The rows as CSV (RFC 4180) in UTF-8 with a mark, as spreadsheets expect it; no cell begins a formula."""
    yield b"\xef\xbb\xbf" + _lines([_COLUMNS])
    async for contacts in pages:
        yield _lines([_cells(row(contact, language)) for contact in contacts])


def _cells(contact: RunContact) -> Sequence[str]:
    return (
        contact.outcome,
        contact.name,
        contact.reason,
        contact.reason_text,
        contact.crm_id or "",
        contact.google_id or "",
        "; ".join(contact.fields),
        "; ".join(contact.written),
        "; ".join(f"{field}: {reason}" for field, reason in contact.left_out.items()),
        contact.provider_message,
        str(contact.link_id),
    )


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_harmless(cell) for cell in cells] for cells in rows])
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """The cell, marked as text wherever a spreadsheet would run it (OWASP, "CSV Injection")."""
    return _FORMULA.sub(r"\1'", cell)
