"""Listings of a simulated account: full, incremental, interrupted, expired."""

from pathlib import Path

import pytest

from contactsync.adapters.google.metadata import GoogleAccount
from contactsync.adapters.http import AuthorizedHttp, HttpEdge, HttpSettings, build_client
from contactsync.domain.catalogue import STANDARD_CRM_FIELDS
from contactsync.domain.ids import GroupId
from contactsync.domain.mapping import Mapping
from contactsync.errors import (
    OutcomeUnknownError,
    PageTokenExpiredError,
    ProviderContractError,
    ProviderUnavailableError,
    RateLimitedError,
    SyncTokenExpiredError,
)
from tests.integration.google.desk import CONNECTION, EMAIL, GIVEN, MOBILE, desk, new, whole_listing
from tests.support.vendors import google_people

LIST = "people.connections.list"


async def test_a_full_listing_shows_everybody_and_values_of_members_alone() -> None:
    async with desk() as bench:
        members = await bench.book.add(google_people(30))
        others = await bench.book.add(google_people(20, seed=2), in_group=False)
        pages, _ = await whole_listing(bench.people())
        seen = {person.remote_id: person for page in pages for person in page.people}
        assert seen.keys() == {*members, *others}
        assert {name for name, person in seen.items() if person.in_scope} == set(members)
        assert all(not seen[name].values for name in others)
        assert any(seen[name].identity.strong_emails or seen[name].identity.weak_emails for name in others)
        assert sum(bool(seen[name].values) for name in members) == 30


async def test_a_long_listing_comes_in_pages_of_a_thousand_and_the_last_alone_has_the_token() -> None:
    async with desk() as bench:
        await bench.book.add(google_people(2100), in_group=False)
        pages, _ = await whole_listing(bench.people())
        assert [len(page.people) for page in pages] == [1000, 1000, 100]
        assert [page.next_sync_token is not None for page in pages] == [False, False, True]
        assert pages[0].total == 2100
        assert bench.gate.calls == {"people.list": 3}
        assert bench.gate.units == {"read": 3}


async def test_a_number_beyond_those_that_a_listing_shows_is_no_lost_number() -> None:
    mobile = {"value": "+447700900123", "type": "mobile"}
    others = [{"value": f"+44770090{n:04}", "type": "other"} for n in range(1000, 1120)]
    async with desk() as bench:
        await bench.book.add([{"names": [{"givenName": "Ada"}], "phoneNumbers": [*others, mobile]}])
        pages, _ = await whole_listing(bench.people())
        (ada,) = pages[0].people
        assert ada.values[MOBILE] == mobile["value"]
        assert len(ada.identity.phones) == 121
        assert bench.gate.calls == {"people.list": 1, "people.batch_get": 1}


async def test_no_proxy_of_the_environment_and_no_netrc_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk() as bench:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        async with build_client(HttpSettings()) as client:
            edge = HttpEdge(client, bench.endpoints.guard(), bench.clock)
            http = AuthorizedHttp(edge, bench.tokens, CONNECTION, bench.gate)
            assert await GoogleAccount(http, bench.endpoints).contact_count() == 0


async def test_a_quiet_delta_is_one_call_and_renews_the_token() -> None:
    async with desk() as bench:
        await bench.book.add(google_people(3))
        people = bench.people()
        _, token = await whole_listing(people)
        pages, renewed = await whole_listing(people, token)
        assert [list(page.people) for page in pages] == [[]]
        assert renewed


async def test_a_delta_shows_edits_deletes_and_leavers() -> None:
    async with desk() as bench:
        edited, deleted, left, _quiet = await bench.book.add(google_people(4))
        people = bench.people()
        _, token = await whole_listing(people)
        await bench.book.edit(edited, names=[{"givenName": "Grace", "familyName": "Hopper"}])
        await bench.book.delete(deleted)
        await bench.book.move(left, remove=[bench.book.group])
        pages, _ = await whole_listing(people, token)
        seen = {person.remote_id: person for person in pages[0].people}
        assert seen.keys() == {edited, deleted, left}
        assert seen[edited].values[GIVEN] == "Grace"
        assert seen[deleted].deleted
        assert seen[deleted].modified_at.year > 1970
        assert seen[left].in_scope is False


async def test_a_renamed_person_names_its_former_self() -> None:
    async with desk() as bench:
        (name,) = await bench.book.add(google_people(1))
        people = bench.people()
        _, token = await whole_listing(people)
        await bench.control.call("POST", f"/accounts/{bench.book.sub}/{name}/rename", {})
        pages, _ = await whole_listing(people, token)
        renamed = next(person for person in pages[0].people if not person.deleted)
        assert renamed.remote_id != name
        assert renamed.previous_ids == (name,)


@pytest.mark.parametrize("form", ["failed_precondition", "invalid_argument", "gone"])
async def test_an_expired_sync_token_is_known_in_all_its_forms(form: str) -> None:
    async with desk(expired_sync_token=form) as bench:
        await bench.book.add(google_people(1))
        people = bench.people()
        _, token = await whole_listing(people)
        await bench.control.advance(8 * 24 * 3600)
        with pytest.raises(SyncTokenExpiredError):
            await people.list_page(token, None)


async def test_a_sync_token_that_google_cannot_read_counts_as_expired() -> None:
    async with desk() as bench:
        with pytest.raises(SyncTokenExpiredError):
            await bench.people().list_page("mangled", None)


async def test_a_page_token_that_google_cannot_read_starts_the_listing_again() -> None:
    async with desk() as bench:
        with pytest.raises(PageTokenExpiredError):
            await bench.people().list_page(None, "mangled")


async def test_another_mapping_has_another_fingerprint_and_its_token_is_refused() -> None:
    fewer = Mapping.build([{"crm_field": "Email", "google_field": "email_addresses[work]"}], STANDARD_CRM_FIELDS)
    async with desk() as bench:
        _, token = await whole_listing(bench.people())
        other = bench.people(mapping=fewer)
        assert other.fingerprint != bench.people().fingerprint
        with pytest.raises(SyncTokenExpiredError):
            await other.list_page(token, None)


async def test_everybody_is_in_the_group_of_all_contacts() -> None:
    async with desk() as bench:
        names = await bench.book.add(google_people(5), in_group=False)
        page = await bench.people(group="contactGroups/all").list_page(None, None)
        assert {person.remote_id for person in page.people if person.in_scope} == set(names)


async def test_a_new_contact_is_found_by_its_marker() -> None:
    async with desk() as bench:
        people = bench.people()
        request = new({EMAIL: "grace@example.com"})
        await people.create([request])
        page = await people.list_page(None, None)
        assert [person.marker for person in page.people] == [str(request.link_id)]


async def test_a_page_of_html_is_no_empty_listing() -> None:
    async with desk() as bench:
        await bench.control.fault(LIST, "html200")
        with pytest.raises(ProviderContractError):
            await bench.people().list_page(None, None)


@pytest.mark.parametrize("action", ["cut_before", "cut_after", "truncate"])
async def test_a_listing_that_breaks_off_may_be_asked_for_again(action: str) -> None:
    async with desk() as bench:
        await bench.book.add(google_people(50))
        await bench.control.fault(LIST, action, times=1)
        people = bench.people()
        with pytest.raises(ProviderUnavailableError):
            await people.list_page(None, None)
        assert len((await people.list_page(None, None)).people) == 50


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_trouble_at_google_is_no_answer(status: int) -> None:
    async with desk() as bench:
        await bench.control.fault(LIST, "status", status=status, headers={"Retry-After": "7"})
        with pytest.raises(ProviderUnavailableError) as caught:
            await bench.people().list_page(None, None)
        assert not isinstance(caught.value, OutcomeUnknownError)
        assert caught.value.retry_after_s == 7


async def test_a_used_up_quota_says_when_to_come_back() -> None:
    async with desk(quotas_enabled=True, quota_per_minute={"critical_read_requests": 2}) as bench:
        people = bench.people()
        for _ in range(2):
            await people.list_page(None, None)
        with pytest.raises(RateLimitedError) as caught:
            await people.list_page(None, None)
        assert caught.value.reason == "google_quota"
        assert caught.value.retry_after_s == 60


async def test_the_members_of_a_group_are_named_where_there_are_more_than_is_known() -> None:
    async with desk() as bench:
        group = GroupId(bench.book.group)
        assert await bench.people().members(group, above=0) == []
        made = [await bench.book.add([{"names": [{"givenName": name}]}]) for name in ("Ada", "Bob")]
        assert sorted(await bench.people().members(group, above=1)) == sorted(name for [name] in made)
        assert await bench.people().members(group, above=2) == []
        assert await bench.people().members(GroupId("contactGroups/none"), above=0) == []


async def test_a_group_that_was_deleted_does_not_exist() -> None:
    async with desk() as bench:
        people = bench.people()
        group = GroupId(bench.book.group)
        assert await people.group_exists(group)
        await bench.control.call("DELETE", f"/accounts/{bench.book.sub}/groups/{group.rpartition('/')[2]}")
        assert not await people.group_exists(group)
