"""Bases of linked people, from their links."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

from contactsync.adapters.google.bases import LinkBindings
from contactsync.adapters.google.binding import Known
from contactsync.domain.contact import Values
from contactsync.domain.digests import EMPTY_DIGESTS, Digester
from contactsync.domain.ids import LinkId, PersonId
from contactsync.domain.link import Link, LinkSide, PairState
from tests.unit.adapters.google.people import EMAIL, MOBILE, WORK_PHONE, wide_mapping

MAPPING = wide_mapping()
DIGESTER = Digester(b"k" * 32, "GB")
ADA = PersonId("people/c1")


def linked(base: Values, crm: Values) -> Link:
    google = LinkSide(remote_id=ADA, base=DIGESTER.digest_set(MAPPING, base) if base else EMPTY_DIGESTS)
    record = LinkSide(remote_id="1", seen=DIGESTER.digest_set(MAPPING, crm))
    return Link(link_id=LinkId(uuid4()), state=PairState.LINKED, crm=record, google=google)


async def known_of(link: Link) -> Known:
    async def links(people: Sequence[str]) -> Mapping[str, Link]:
        return {ADA: link} if ADA in people else {}

    found = await LinkBindings(DIGESTER, MAPPING, links).known([ADA, PersonId("people/c2")])
    assert found.keys() == {ADA}
    return found[ADA]


async def test_the_base_is_known_in_whatever_form_it_is_written() -> None:
    known = await known_of(linked({MOBILE: "+442079460001", EMAIL: "ada@example.com"}, {MOBILE: "+442079460002"}))
    assert known(MOBILE, "020 7946 0001")
    assert known(EMAIL, "ADA@example.com")
    assert not known(MOBILE, "+442079460002")
    assert not known(WORK_PHONE, "+442079460001")


async def test_without_a_base_the_match_pair_knows_the_address_of_the_record_and_no_other_row_anything() -> None:
    known = await known_of(linked({}, {EMAIL: "ada@example.com", MOBILE: "+442079460001"}))
    assert known(EMAIL, "ada@example.com")
    assert not known(EMAIL, "other@example.com")
    assert not known(MOBILE, "+442079460001")


async def test_a_base_once_there_outweighs_the_record() -> None:
    link = linked({EMAIL: "own@example.com"}, {EMAIL: "ada@example.com"})
    known = await known_of(replace(link, state=PairState.DORMANT))
    assert known(EMAIL, "own@example.com")
    assert not known(EMAIL, "ada@example.com")
