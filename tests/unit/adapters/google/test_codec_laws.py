"""Laws of the codec over any person and any change, against a model of Google's masked replacement."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from contactsync.adapters.google.codec import Patch, PersonCodec, doubled_singletons
from contactsync.adapters.google.reading import PersonReader
from contactsync.adapters.google.shapes import SHAPES_BY_JSON
from contactsync.adapters.google.updates import PatchedPerson, known_values
from contactsync.domain.canonical import canonical
from contactsync.domain.contact import Values
from contactsync.domain.ids import RowKey
from contactsync.ports.directory import PersonSnapshot, PersonUpdate
from tests.unit.adapters.google.people import GROUP, LINK, person, wide_mapping

MAPPING = wide_mapping()
CODEC = PersonCodec(MAPPING, "GB")
READER = PersonReader(CODEC, GROUP)
CASES = int(os.environ.get("CASES", "60"))
MASK = frozenset(CODEC.fields)

# Few words and few numbers, so that entries often are alike.
WORDS = st.sampled_from(["Ada", "ada", "Grace Hopper", "été", "李", "a b", "x" * 300])
PHONES = st.sampled_from(["+442079460001", "020 7946 0001", "+442079460002", "7", "+442079460003 ext. 4"])
EMAILS = st.sampled_from(["a@example.com", "A@EXAMPLE.com", "b@example.com", "c@example.org"])
DATES = st.sampled_from(["1815-12-10", "--02-29", "1906", "1906-12"])
PHONE_TYPES = st.sampled_from(["work", "mobile", "home", "other", "workFax", "pager", "Boat", None])
PLACE_TYPES = st.sampled_from(["work", "home", "other", "Boat", None])
METADATA = st.sampled_from(
    [{"source": {"type": "CONTACT", "id": "1"}}, {"source": {"type": "CONTACT", "id": "1"}, "primary": True}]
)


def entry(required: Mapping[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    drawn = st.fixed_dictionaries({"metadata": METADATA, **required}, optional=optional)
    return drawn.map(lambda item: {key: value for key, value in item.items() if value is not None})


ENTRIES: dict[str, st.SearchStrategy[Any]] = {
    "names": st.lists(
        entry({}, givenName=WORDS, familyName=WORDS, middleName=WORDS, phoneticFamilyName=WORDS, displayName=WORDS),
        max_size=2,
    ),
    "emailAddresses": st.lists(entry({"value": EMAILS}, type=PLACE_TYPES, displayName=WORDS), max_size=4),
    "phoneNumbers": st.lists(entry({"value": PHONES}, type=PHONE_TYPES, canonicalForm=PHONES), max_size=5),
    "addresses": st.lists(
        entry({}, type=PLACE_TYPES, city=WORDS, country=WORDS, poBox=WORDS, formattedValue=WORDS), max_size=3
    ),
    "organizations": st.lists(entry({}, type=PLACE_TYPES, name=WORDS, title=WORDS, symbol=WORDS), max_size=3),
    "biographies": st.lists(entry({"value": WORDS, "contentType": st.just("TEXT_PLAIN")}), max_size=1),
    "birthdays": st.lists(
        st.one_of(entry({"date": st.just({"year": 1815, "month": 12, "day": 10})}, text=WORDS), entry({"text": WORDS})),
        max_size=1,
    ),
    "relations": st.lists(entry({"person": WORDS}, type=st.sampled_from(["assistant", "child"])), max_size=2),
    "imClients": st.lists(entry({"username": WORDS}, protocol=st.sampled_from(["skype", "jabber"])), max_size=2),
    "urls": st.lists(entry({"value": WORDS}, type=st.sampled_from(["profile", "blog"])), max_size=2),
    "userDefined": st.lists(entry({"key": st.sampled_from(["Likes", "Hates"]), "value": WORDS}), max_size=3),
    "nicknames": st.lists(entry({"value": WORDS}), max_size=1),
    "events": st.lists(entry({"date": st.just({"month": 2, "day": 3})}, type=WORDS), max_size=1),
}
PEOPLE = st.fixed_dictionaries({}, optional=ENTRIES).map(lambda fields: person(1, **fields))


def _texts(row: RowKey) -> st.SearchStrategy[str | None]:
    google = row.partition("=")[2]
    texts = {"email_addresses": EMAILS, "phone_numbers": PHONES, "birthdays": DATES}
    return st.none() | texts.get(google.partition("[")[0], WORDS)


ROWS = [row.key for row in MAPPING.rows]
CHANGES = st.fixed_dictionaries({}, optional={key: _texts(key) for key in ROWS})


def values(shown: Mapping[str, Any], known: Values | None = None) -> dict[RowKey, str]:
    return CODEC.values(shown, None if known is None else known_values(MAPPING, "GB", known))[0]


def alike(one: Values, other: Values) -> bool:
    """Whether two sets of values count as equal."""
    kinds = {row.key: row.kind for row in MAPPING.rows}
    canon = [{key: canonical(kinds[key], text, "GB") for key, text in side.items()} for side in (one, other)]
    return canon[0] == canon[1]


def replaced(before: Mapping[str, Any], body: Mapping[str, Any], mask: frozenset[str]) -> dict[str, Any]:
    """What Google makes of an update: masked fields replaced whole, everything else as it was."""
    after = {name: value for name, value in before.items() if name not in mask}
    source = {"source": {"type": "CONTACT", "id": "1"}}
    for name in mask:
        entries = [{**item, "metadata": {**source, **item.get("metadata", {})}} for item in body.get(name, ())]
        if entries:
            after[name] = entries
    return after


def stored(shown: Mapping[str, Any]) -> bytes:
    """What a person holds, without what Google computes and without order."""
    kept = {
        name: sorted(orjson.dumps(SHAPES_BY_JSON[name].cleaned(item), option=orjson.OPT_SORT_KEYS) for item in entries)
        if name in SHAPES_BY_JSON
        else entries
        for name, entries in shown.items()
        if name not in {"etag", "metadata"} and entries
    }
    return orjson.dumps({name: [repr(item) for item in kept[name]] for name in sorted(kept)})


def unmapped(shown: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Every piece of data of a person that no row names."""
    mapped: dict[str, set[str]] = {}
    for row in MAPPING.rows:
        shape = next(s for s in SHAPES_BY_JSON.values() if s.json_name == _json_name(row.google_field.field))
        mapped.setdefault(shape.json_name, set()).add(shape.key_of(row.google_field.part))
    pieces = []
    for name, entries in shown.items():
        for item in entries if name in mapped else ():
            extras = {key: value for key, value in item.items() if key not in mapped[name] | _NO_DATA}
            pieces.append((name, orjson.dumps(extras, option=orjson.OPT_SORT_KEYS)))
    return sorted(piece for piece in pieces if piece[1] != b"{}")


_NO_DATA = {"metadata", "displayName", "formattedValue", "canonicalForm", "text", "contentType"}


def _json_name(field: str) -> str:
    head, *tail = field.split("_")
    return head + "".join(word.capitalize() for word in tail)


def updated(before: Mapping[str, Any], changes: Mapping[RowKey, str | None]) -> tuple[Patch, dict[str, Any]]:
    """A person after an update that masks every mapped field it may mask."""
    reading = READER.read(before)
    assert reading is not None
    patch = CODEC.patch(before, changes, known_values(MAPPING, "GB", reading.observation.values))
    request = PersonUpdate(LINK, PersonSnapshot(reading.observation, before), changes)
    mask = MASK - doubled_singletons(before)
    return patch, replaced(before, PatchedPerson(request, patch, doubled_singletons(before)).body(mask), mask)


@settings(max_examples=CASES, deadline=None)
@given(PEOPLE)
def test_an_update_that_changes_nothing_leaves_the_person_byte_for_byte(before: dict[str, Any]) -> None:
    patch, after = updated(before, {})
    assert patch.fields == {}
    assert stored(after) == stored(before)


@settings(max_examples=CASES, deadline=None)
@given(PEOPLE, CHANGES)
def test_what_no_row_names_survives_every_change(before: dict[str, Any], changes: dict[RowKey, str | None]) -> None:
    """Only an emptied value takes the rest of its entry along."""
    filled = {key: text for key, text in changes.items() if text}
    _, after = updated(before, filled)
    lost = list(unmapped(before))
    for piece in unmapped(after):
        if piece in lost:
            lost.remove(piece)
    assert lost == []


@settings(max_examples=CASES, deadline=None)
@given(PEOPLE, CHANGES)
def test_what_was_asked_for_is_what_is_read_back(before: dict[str, Any], changes: dict[RowKey, str | None]) -> None:
    """Every value asked for stands in the person afterwards, in its own place or where the list held it already."""
    wanted = {**values(before), **changes}
    patch, after = updated(before, changes)
    left_out = patch.left_out.keys()
    asked = {key: text for key, text in wanted.items() if text and key not in left_out}
    read = values(after, asked)
    for key, text in changes.items():
        if key in left_out:
            continue
        if text is None:
            continue
        if not alike({key: read.get(key, "")}, {key: text}):
            assert _holds_elsewhere(after, key, text)


def _holds_elsewhere(shown: Mapping[str, Any], key: RowKey, text: str) -> bool:
    row = MAPPING.by_key[key]
    shape = SHAPES_BY_JSON[_json_name(row.google_field.field)]
    wanted = canonical(row.kind, text, "GB")
    return row.google_field.distinct and any(
        canonical(row.kind, item.get(shape.value, ""), "GB") == wanted for item in shown.get(shape.json_name, ())
    )


@settings(max_examples=CASES, deadline=None)
@given(PEOPLE, st.randoms(use_true_random=False))
def test_the_order_of_entries_means_nothing(before: dict[str, Any], rng: Any) -> None:  # noqa: ANN401  Hypothesis hands in its own Random
    shuffled = {name: rng.sample(v, len(v)) if isinstance(v, list) else v for name, v in before.items()}
    assert values(shuffled) == values(before)
    assert values(shuffled, values(before)) == values(before)


@settings(max_examples=CASES, deadline=None)
@given(CHANGES)
def test_a_new_person_shows_every_value_it_was_made_of(changes: dict[RowKey, str | None]) -> None:
    """In its own place, or where the list holds it already."""
    texts = {key: text for key, text in changes.items() if text}
    made = person(1) | replaced({}, CODEC.person_of(texts), MASK)
    read = values(made)
    assert read.items() <= texts.items()
    assert [key for key in texts.keys() - read.keys() if not _holds_elsewhere(made, key, texts[key])] == []


@settings(max_examples=CASES, deadline=None)
@given(PEOPLE, CHANGES)
def test_the_same_change_twice_writes_once(before: dict[str, Any], changes: dict[RowKey, str | None]) -> None:
    _, after = updated(before, changes)
    kept = {key: text for key, text in changes.items() if text}
    # The second time the rows are bound to what the first time wrote.
    wanted = {**{key: text for key, text in values(before).items() if key not in changes}, **kept}
    again = CODEC.patch(after, kept, known_values(MAPPING, "GB", wanted))
    assert {name: list(entries) for name, entries in again.fields.items()} == {}
