"""Laws of the merge, tried against every shape of one field and against random pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from contactsync.domain.contact import Side
from contactsync.domain.effect import EffectKind
from contactsync.domain.link import Link
from contactsync.domain.mapping import Mapping, RowDirection
from contactsync.domain.merge import FieldRules, FieldState, Verdict, merge, verdict
from contactsync.domain.outcome import Outcome
from contactsync.domain.policy import DeletePolicy, Direction, Policy
from tests.property.domain.sizes import SIZED
from tests.unit.domain.pairs import DIGESTER, MAPPING, carry_out, decided, deleted, pair, shown, shows

# --- one field, all shapes ------------------------------------------------------------------------------------------

_DIGESTS = (b"", b"a", b"b")
_BASES = (None, *_DIGESTS)
_RULES = tuple(FieldRules(*facts) for facts in product((True, False), (True, False), Side))


def _all_states() -> list[FieldState]:
    shapes = product(_DIGESTS, _DIGESTS, _BASES, _BASES, (False, True))
    return [FieldState(crm, google, a, b, b"", kept) for crm, google, a, b, kept in shapes]


def _oracle(state: FieldState, rules: FieldRules) -> Verdict:
    """The rules as they are told to a user: who has something to say, who is heard, where he may be written."""
    shown = {Side.CRM: state.crm, Side.GOOGLE: state.google}
    base = {Side.CRM: state.crm_base, Side.GOOGLE: state.google_base}
    may_write = {Side.CRM: rules.to_crm, Side.GOOGLE: rules.to_google}
    if shown[Side.CRM] == shown[Side.GOOGLE]:
        return Verdict.AGREED
    first_match = None in base.values()
    speaks = [side for side in Side if (shown[side] != b"" if first_match else shown[side] != base[side])]
    if not speaks:
        return Verdict.UNCHANGED
    heard = rules.winner if len(speaks) == 2 else speaks[0]
    listener = heard.other
    stubborn = not first_match and len(speaks) == 1 and state.diverged and not may_write[heard]
    if not may_write[listener] or (stubborn and rules.winner is listener):
        return Verdict.DIVERGED
    return Verdict.TO_CRM if listener is Side.CRM else Verdict.TO_GOOGLE


def test_every_shape_of_a_field_is_decided_as_told() -> None:
    states = _all_states()
    assert len(states) == 3 * 3 * 4 * 4 * 2
    wrong = [(s, r) for s in states for r in _RULES if verdict(s, r) is not _oracle(s, r)]
    assert wrong == []


_SWAPPED = {Verdict.TO_CRM: Verdict.TO_GOOGLE, Verdict.TO_GOOGLE: Verdict.TO_CRM}


def test_swapping_the_sides_everywhere_swaps_the_verdict() -> None:
    for state, rules in product(_all_states(), _RULES):
        mirrored = replace(
            state, crm=state.google, google=state.crm, crm_base=state.google_base, google_base=state.crm_base
        )
        there = verdict(mirrored, FieldRules(rules.to_google, rules.to_crm, rules.winner.other))
        here = verdict(state, rules)
        assert there is _SWAPPED.get(here, here)


# --- random pairs ---------------------------------------------------------------------------------------------------

_PLAIN = ("Title", "Department", "Mailing_City", "Other_City")
_VALUES = st.sampled_from(["", "", "red", "green", " Red ", "x" * 120, "Jürgen", "Ju\u0308rgen"])
_FAMILY = st.sampled_from(["Lovelace", "Lovelace", "King", ""])
_GIVEN = st.sampled_from(["", "Ada", "Augusta"])
_EMAIL = st.sampled_from(["ada@example.org", "ADA@example.org", "", "not an address"])
_PHONE = st.sampled_from(["", "+1 415 555 0100", "(415) 555-0100", "*#06#", "ask reception"])
_COMPANY = st.sampled_from(["", "Acme", "ACME", "Other Ltd"])


@st.composite
def fields(draw: st.DrawFn, *, record: bool) -> dict[str, str]:
    """A contact's mapped fields; a record always has a last name."""
    made = {name: draw(_VALUES) for name in _PLAIN}
    made |= {"First_Name": draw(_GIVEN), "Last_Name": draw(_FAMILY), "Email": draw(_EMAIL)}
    made |= {"Phone": draw(_PHONE), "Account_Name": draw(_COMPANY)}
    if record and not made["Last_Name"]:
        made["Last_Name"] = made["First_Name"] or "Nobody"
    return {name: text for name, text in made.items() if text.strip()}


@st.composite
def mappings(draw: st.DrawFn) -> Mapping:
    """The default fields, some of them narrowed to one direction."""
    narrowed = draw(st.dictionaries(st.sampled_from(_PLAIN), st.sampled_from(list(RowDirection)), max_size=2))
    return Mapping(replace(row, direction=narrowed.get(row.crm_field)) for row in MAPPING)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        direction=draw(st.sampled_from(list(Direction))),
        mapping=draw(mappings()),
        conflict_winner=draw(st.sampled_from(list(Side))),
        deletions=draw(st.sampled_from(list(DeletePolicy))),
    )


@st.composite
def pairs(draw: st.DrawFn, mapping: Mapping) -> Link:
    """A pair that never agreed, or agreed on something and was edited since on one side, on both, or on none."""
    crm, google = draw(fields(record=True)), draw(fields(record=False))
    in_group = draw(st.sampled_from([True, True, False]))
    base = draw(st.none() | fields(record=True))
    if base is not None:
        crm = draw(st.sampled_from([crm, base]))
        google = draw(st.sampled_from([google, base]))
    outside = {"in_scope": in_group, "seen_in_scope": in_group}
    return pair(
        shown(crm, base=base, mapping=mapping),
        shown(google, base=base, mapping=mapping, remote_id="people/c1", **outside),
    )


_CASES = policies().flatmap(lambda policy: st.tuples(st.just(policy), pairs(policy.mapping)))


@SIZED
@given(_CASES)
def test_carrying_out_a_decision_leaves_nothing_to_decide(case: tuple[Policy, Link]) -> None:
    policy, link = case
    after = carry_out(decided(link, policy), policy.mapping)
    again = decided(after, policy)
    assert again.intents == ()
    assert again.left_out == {}
    assert after.pending_since is None
    assert again.outcome in {Outcome.UNCHANGED, Outcome.SKIPPED}


@SIZED
@given(_CASES)
def test_nothing_but_mapped_fields_is_written_and_nothing_to_the_source(case: tuple[Policy, Link]) -> None:
    policy, link = case
    for intent in decided(link, policy).intents:
        assert policy.direction.writes(intent.side)
        assert intent.changes.keys() <= policy.mapping.by_key.keys()
        for key in intent.changes:
            assert policy.mapping.by_key[key].flows_to(intent.side, policy.direction)


@SIZED
@given(_CASES)
def test_what_is_written_was_typed_by_somebody_and_what_is_overwritten_is_kept(case: tuple[Policy, Link]) -> None:
    policy, link = case
    for intent in decided(link, policy).intents:
        source, target = link.side(intent.side.other), link.side(intent.side)
        typed = set((source.values or {}).values())
        assert {text for text in intent.changes.values() if text} <= typed
        for key in intent.changes:
            assert intent.before.get(key, "") == (target.values or {}).get(key, "")


@SIZED
@given(_CASES)
def test_at_the_first_match_a_blank_erases_nothing(case: tuple[Policy, Link]) -> None:
    policy, link = case
    if link.crm.base:
        return
    for intent in decided(link, policy).intents:
        assert all(text is not None for text in intent.changes.values())


@SIZED
@given(_CASES)
def test_in_both_directions_all_fields_end_equal_or_are_accounted_for(case: tuple[Policy, Link]) -> None:
    policy, link = case
    policy = replace(policy, direction=Direction.TWO_WAY, mapping=MAPPING)
    link = replace(link, google=replace(link.google, in_scope=True))
    decision = decided(link, policy)
    after = carry_out(decision)
    crm, google = shows(after, Side.CRM), shows(after, Side.GOOGLE)
    edited = {row.crm_field for row in MAPPING if _is_news(link, row.hash)}
    excused = {key.partition("=")[0] for key in decision.left_out} | {"First_Name", "Last_Name"}
    for row in MAPPING:
        if row.crm_field in edited - excused:
            assert DIGESTER.field(row, crm.get(row.crm_field)) == DIGESTER.field(row, google.get(row.crm_field))


def _is_news(link: Link, row_hash: bytes) -> bool:
    """Whether some side shows something that was not agreed on."""
    return any(link.side(side).seen.index[row_hash] != link.side(side).base.index.get(row_hash) for side in Side)


@SIZED
@given(_CASES)
def test_a_decision_depends_on_nothing_but_its_arguments(case: tuple[Policy, Link]) -> None:
    policy, link = case
    assert decided(link, policy) == decided(link, policy)


@SIZED
@given(st.data(), st.sampled_from(list(Direction)), st.sampled_from(list(Side)))
def test_a_merge_with_the_sides_swapped_is_the_merge_mirrored(
    data: st.DataObject, direction: Direction, winner: Side
) -> None:
    """On fields that both sides can hold alike; the direction and the winner are swapped too."""
    plain = st.dictionaries(st.sampled_from(_PLAIN), st.sampled_from(["red", "green", "blue"]))
    crm, google, base = data.draw(plain), data.draw(plain), data.draw(st.none() | plain)
    swapped = {Direction.CRM_TO_GOOGLE: Direction.GOOGLE_TO_CRM, Direction.GOOGLE_TO_CRM: Direction.CRM_TO_GOOGLE}
    here = Policy(direction=direction, mapping=MAPPING, conflict_winner=winner)
    there = Policy(direction=swapped.get(direction, direction), mapping=MAPPING, conflict_winner=winner.other)
    found = merge(pair(shown(crm, base=base), shown(google, base=base)), here, DIGESTER)
    mirrored = merge(pair(shown(google, base=base), shown(crm, base=base)), there, DIGESTER)
    for side in Side:
        assert found.changes[side] == mirrored.changes[side.other]
        assert found.lost[side] == mirrored.lost[side.other]
        assert found.bases[side] == mirrored.bases[side.other]
    assert found.diverged == mirrored.diverged


@SIZED
@given(policies(), fields(record=True), fields(record=False), st.sampled_from(list(Side)))
def test_a_deleted_contact_is_never_made_again_unless_the_other_was_edited(
    policy: Policy, base: dict[str, str], now: dict[str, str], gone: Side
) -> None:
    here = shown(now, base=base, mapping=policy.mapping)
    link = pair(deleted(base), here) if gone is Side.CRM else pair(here, deleted(base))
    kinds = {intent.kind for intent in decided(link, policy).intents}
    edited = here.seen != here.base
    assert kinds <= ({EffectKind.CREATE} if edited else {EffectKind.DELETE})
    if policy.deletions is DeletePolicy.KEEP:
        assert not kinds
