"""The decision tables, computed from the code: one cell for each combination that `docs/decisions.md` prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

from contactsync.domain.contact import Side
from contactsync.domain.digests import EMPTY_DIGESTS
from contactsync.domain.link import Link, PairState
from contactsync.domain.merge import FieldRules, FieldState, Verdict, verdict
from contactsync.domain.outcome import Outcome
from contactsync.domain.planning import Decision
from contactsync.domain.policy import DeletePolicy, Direction, NoEmailRule
from tests.unit.domain.pairs import TWO_WAY, decided, deleted, pair, shown

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of the document: its heading, the header row, and its rows (leading cells, then answers)."""

    heading: str
    header: Cells
    rows: tuple[tuple[Cells, Cells], ...]

    def markdown(self) -> str:
        lines = [self.header, tuple("---" for _ in self.header), *(lead + answers for lead, answers in self.rows)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# --- one field ------------------------------------------------------------------------------------------------------

_DIGEST = {"–": b"", "A": b"a", "B": b"b", "C": b"c", "D": b"d"}
_WORDS = {
    Verdict.AGREED: "agreed",
    Verdict.UNCHANGED: "as it is",
    Verdict.TO_GOOGLE: "→ Google",
    Verdict.TO_CRM: "→ CRM",
    Verdict.DIVERGED: "both stay",
}
_FLOWS = {"both ways": (True, True), "to Google": (False, True), "to CRM": (True, False)}
RULES = {
    f"{flow}, {winner.upper() if winner is Side.CRM else 'Google'} wins": FieldRules(*open_to, winner)
    for flow, open_to in _FLOWS.items()
    for winner in Side
}
_SHAPES = (
    *(("none", shows, "") for shows in ("––", "A–", "–A", "AA", "AB")),
    *(("AA", shows, "") for shows in ("AA", "BA", "AB", "BB", "BC", "–A", "A–", "––", "–B", "B–")),
    *(("––", shows, "") for shows in ("––", "A–", "–A", "AA", "AB")),
    *(("AB", shows, kept) for kept in ("", "yes") for shows in ("AB", "CB", "AC", "BB", "AA", "CD", "–B", "A–", "––")),
)


def field_state(base: str, shows: str, kept: str) -> FieldState:
    crm_base, google_base = (None, None) if base == "none" else (_DIGEST[base[0]], _DIGEST[base[1]])
    return FieldState(
        crm=_DIGEST[shows[0]],
        google=_DIGEST[shows[1]],
        crm_base=crm_base,
        google_base=google_base,
        empty=b"",
        diverged=kept == "yes",
    )


def field_table() -> Table:
    def row(base: str, shows: str, kept: str) -> tuple[Cells, Cells]:
        state = field_state(base, shows, kept)
        bases = ("none", "none") if base == "none" else (base[0], base[1])
        return (*bases, shows[0], shows[1], kept), tuple(_WORDS[verdict(state, rules)] for rules in RULES.values())

    return Table(
        "One field",
        ("base CRM", "base Google", "CRM shows", "Google shows", "kept different", *RULES),
        tuple(row(*shape) for shape in _SHAPES),
    )


# --- pairs ----------------------------------------------------------------------------------------------------------

ADA = {"Last_Name": "Lovelace", "Email": "ada@example.org"}
CRM_EDIT = {**ADA, "Title": "Countess"}
GOOGLE_EDIT = {**ADA, "Department": "Engines"}
_YES_NO = {"yes": True, "no": False}
_SIDES = {"CRM": Side.CRM, "Google": Side.GOOGLE}
_DIRECTIONS = {direction.value: direction for direction in Direction}


def answer(decision: Decision) -> str:
    """A decision in words: the state afterwards, what is written, the reason."""
    writes = sorted(f"{intent.kind.replace('_', ' ')} {_name(intent.side)}" for intent in decision.intents)
    state = str(decision.link.state)
    if decision.outcome is Outcome.WAITING:
        state = "waits"
    said = f"{state}: {', '.join(writes)}" if writes else state
    return f"{said} ({decision.reason})" if decision.reason and decision.reason != state else said


def _name(side: Side) -> str:
    return "CRM" if side is Side.CRM else "Google"


def _both(was: str, in_view: str, in_group: str) -> Link:
    never = was == "never agreed"
    base = None if never else ADA
    link = pair(
        shown(CRM_EDIT, base=base, in_scope=_YES_NO[in_view]),
        shown(GOOGLE_EDIT, base=base, remote_id="people/c1", in_scope=_YES_NO[in_group]),
    )
    return link if never else replace(link, state=PairState(was))


def both_table() -> Table:
    leads = product(("never agreed", "linked", "dormant", "released"), _YES_NO, _YES_NO)
    rows = tuple(
        (lead, tuple(answer(decided(_both(*lead), replace(TWO_WAY, direction=way))) for way in Direction))
        for lead in leads
    )
    return Table("Both exist", ("was", "in view", "in group", *_DIRECTIONS), rows)


_ALONE = {
    "with e-mail": ADA,
    "without e-mail": {"Last_Name": "Lovelace"},
    "nothing identifies": {"Title": "Countess"},
}
_NO_EMAIL_RULES = tuple(rule.value for rule in NoEmailRule)


def _alone(lead: Cells, direction: str) -> str:
    side, contact, in_scope, rule = lead
    here = shown(_ALONE[contact], in_scope=_YES_NO[in_scope])
    link = pair(crm=here) if _SIDES[side] is Side.CRM else pair(google=here)
    policy = replace(TWO_WAY, direction=Direction(direction), no_email=NoEmailRule(rule))
    return answer(decided(link, policy))


def alone_table() -> Table:
    options = (tuple(_SIDES), tuple(_ALONE), tuple(_YES_NO), _NO_EMAIL_RULES)
    leads = (
        ("CRM", "with e-mail", "yes", ANY),
        *(("CRM", "without e-mail", "yes", rule) for rule in _NO_EMAIL_RULES),
        ("Google", "with e-mail", "yes", ANY),
        *(("Google", "without e-mail", "yes", rule) for rule in _NO_EMAIL_RULES),
        *(("Google", "nothing identifies", "yes", rule) for rule in _NO_EMAIL_RULES),
        (ANY, ANY, "no", ANY),
    )
    rows = tuple((lead, tuple(_same(lead, options, _alone, way) for way in _DIRECTIONS)) for lead in leads)
    return Table("One exists", ("on", "contact", "in scope", "without e-mail", *_DIRECTIONS), rows)


ANY = "any"


def _same(lead: Cells, options: tuple[Cells, ...], answer_to: Callable[[Cells, str], str], column: str) -> str:
    """The one answer to all combinations that a row with `any` stands for."""
    spread = (choices if cell == ANY else (cell,) for cell, choices in zip(lead, options, strict=True))
    (only,) = {answer_to(one, column) for one in product(*spread)}
    return only


# --- deletes --------------------------------------------------------------------------------------------------------

_NOT_IN_SYNC = ("dormant", "released", "never agreed", "out of scope")


def _bereaved(on: str, was: str, edited: str) -> Link:
    if on == "both":
        link = pair(deleted(ADA), deleted(ADA))
    elif _SIDES[on] is Side.CRM:
        link = pair(deleted(ADA), shown(GOOGLE_EDIT if edited == "yes" else ADA, base=ADA, remote_id="people/c1"))
    else:
        link = pair(shown(CRM_EDIT if edited == "yes" else ADA, base=ADA), deleted(ADA))
    match was:
        case "never agreed":
            crm, google = replace(link.crm, base=EMPTY_DIGESTS), replace(link.google, base=EMPTY_DIGESTS)
            return replace(link, crm=crm, google=google)
        case "out of scope":
            crm, google = replace(link.crm, in_scope=False), replace(link.google, in_scope=False)
            return replace(link, crm=crm, google=google)
        case _:
            return replace(link, state=PairState(was))


def _deletes(lead: Cells, deletions: str) -> str:
    on, direction, was, edited, may_delete = lead
    policy = replace(
        TWO_WAY,
        direction=Direction(direction),
        deletions=DeletePolicy(deletions),
        deletes_allowed=may_delete == "yes",
    )
    return answer(decided(_bereaved(on, was, edited), policy))


def deletes_table() -> Table:
    options = (tuple(_SIDES), tuple(_DIRECTIONS), _NOT_IN_SYNC, tuple(_YES_NO), tuple(_YES_NO))
    in_sync = product(_SIDES, _DIRECTIONS, ("linked",), ("no", "yes"), ("yes", "no"))
    leads = (
        *in_sync,
        *((ANY, ANY, was, ANY, ANY) for was in _NOT_IN_SYNC),
        *(("both", ANY, was, ANY, ANY) for was in ("linked", "dormant", "released")),
    )
    policies = tuple(policy.value for policy in DeletePolicy)
    rows = tuple((lead, tuple(_same(lead, options, _deletes, policy) for policy in policies)) for lead in leads)
    return Table("Deletes", ("deleted on", "direction", "was", "other side edited", "run may delete", *policies), rows)


def all_tables() -> tuple[Table, ...]:
    return field_table(), both_table(), alone_table(), deletes_table()
