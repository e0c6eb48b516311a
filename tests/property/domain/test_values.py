"""Laws of canonical values and digests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contactsync.domain.canonical import CANONICAL_VERSION, canonical
from contactsync.domain.catalogue import ValueKind
from contactsync.domain.contact import Side
from contactsync.domain.digests import EMPTY_DIGESTS, DigestSet
from contactsync.domain.fit import fit
from contactsync.domain.mapping import GooglePath
from tests.property.domain.sizes import SIZED
from tests.unit.domain.pairs import DIGESTER, WIDE_MAPPING

REGIONS = st.sampled_from(["", "US", "DE", "GB", "IT", "JP"])
ODD = (
    st.text(max_size=40)
    | st.text("0123456789+-(). x;#*,/ext=٣０", max_size=24)
    | st.text("0123456789-/. ", max_size=12)
)
NEAR = st.sampled_from(
    [
        "https://Ex.org/",
        "-None-",
        "a;B; a",
        "Straße@x.org",
        "ŉ",
        "İstanbul",
        "ǰ",
        "ᾳ",
        "\u0345\u0301",
        "x\r\n\ty",
        "1e5",
        "+-7",
    ]
)
TEXTS = ODD | NEAR
KINDS = st.sampled_from(list(ValueKind))
ROW_HASHES = st.binary(min_size=4, max_size=4)
ENTRIES = st.dictionaries(ROW_HASHES, st.binary(min_size=8, max_size=8), max_size=45)


@SIZED
@given(KINDS, TEXTS, REGIONS)
def test_the_canonical_form_of_a_canonical_form_is_itself(kind: ValueKind, text: str, region: str) -> None:
    once = canonical(kind, text, region)
    assert canonical(kind, once, region) == once


@SIZED
@given(KINDS, TEXTS, st.sampled_from([" ", "\n", "\u00a0", "\t "]))
def test_blanks_around_a_value_do_not_count(kind: ValueKind, text: str, blank: str) -> None:
    assert canonical(kind, f"{blank}{text}{blank}", "US") == canonical(kind, text, "US")


@SIZED
@given(ENTRIES)
def test_a_digest_set_survives_packing(entries: dict[bytes, bytes]) -> None:
    made = DigestSet(entries)
    again = DigestSet.unpack(made.pack())
    assert again == made
    assert hash(again) == hash(made)
    assert again.index == entries
    assert len(again) == len(entries)
    assert bool(again) is bool(entries)
    assert again.pack()[0] == CANONICAL_VERSION


@SIZED
@given(ENTRIES, ENTRIES)
def test_digest_sets_are_equal_when_their_entries_are(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    assert (DigestSet(one) == DigestSet(other)) is (one == other)
    differing = {name for name in one if other.get(name) != one[name]}
    assert set(DigestSet(one).differing(DigestSet(other))) == differing
    merged = DigestSet(one).updated(DigestSet(other), other)
    assert merged.index == {**one, **other}
    assert DigestSet({}) == EMPTY_DIGESTS


@SIZED
@given(st.sampled_from(WIDE_MAPPING.rows), TEXTS, TEXTS)
def test_digests_are_equal_when_the_canonical_values_are(row: object, one: str, other: str) -> None:
    assert row in WIDE_MAPPING.rows
    for mapped in WIDE_MAPPING.rows:
        if mapped is row:
            same = canonical(mapped.kind, one, "US") == canonical(mapped.kind, other, "US")
            assert (DIGESTER.field(mapped, one) == DIGESTER.field(mapped, other)) is same
            whole = DIGESTER.digest_set(WIDE_MAPPING, {mapped.key: one})
            assert whole.get(mapped.key) == DIGESTER.field(mapped, one)


@SIZED
@given(st.sampled_from(range(len(WIDE_MAPPING))), TEXTS, st.sampled_from(list(Side)))
def test_a_value_is_written_as_typed_or_not_at_all(number: int, text: str, side: Side) -> None:
    """But for the list's own spelling of a choice, which counts as equal."""
    row = WIDE_MAPPING.rows[number]
    fitted = fit(row, text, side)
    if fitted.text is not None:
        assert canonical(row.kind, fitted.text) == canonical(row.kind, text)
        assert fitted.text == text or row.picklist
        assert fitted.reason is None
    elif fitted.reason is None:
        assert canonical(row.kind, text) == ""


@SIZED
@given(st.text(max_size=60))
def test_a_path_is_read_back_as_it_was_written_or_refused(text: str) -> None:
    for candidate in (text, f"user_defined[{text}]", f"phone_numbers[{text}]"):
        try:
            path = GooglePath.parse(candidate)
        except ValueError:
            continue
        assert str(path) == candidate
