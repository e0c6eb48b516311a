"""Groups and numbers of a simulated account, and who may ask for them."""

import pytest

from contactsync.errors import AuthorizationLostError, RecordRejectedError
from tests.integration.google.desk import desk
from tests.support.vendors import google_people


async def test_the_groups_on_offer_can_all_be_joined() -> None:
    async with desk() as bench:
        await bench.book.add(google_people(7))
        await bench.account.create_group("Árvíztűrő")
        groups = await bench.account.groups()
        assert [group.group_id for group in groups if group.system] == [
            "contactGroups/all",
            "contactGroups/myContacts",
            "contactGroups/starred",
        ]
        assert {group.label: group.members for group in groups if not group.system} == {"Customers": 7, "Árvíztűrő": 0}


async def test_a_name_can_be_taken_once() -> None:
    async with desk() as bench:
        made = await bench.account.create_group("Friends of the house")
        assert made.group_id.startswith("contactGroups/")
        with pytest.raises(RecordRejectedError) as caught:
            await bench.account.create_group("Friends of the house")
        assert caught.value.reason == "group_exists"


async def test_contacts_are_counted_with_one_call() -> None:
    async with desk() as bench:
        await bench.book.add(google_people(12))
        await bench.book.add(google_people(5, seed=2), in_group=False)
        assert await bench.account.contact_count() == 17
        assert bench.gate.calls == {"people.count": 1}


async def test_a_project_without_the_people_api_is_told_apart() -> None:
    async with desk(people_api_enabled=False) as bench:
        with pytest.raises(AuthorizationLostError) as caught:
            await bench.account.groups()
        assert caught.value.reason == "service_disabled"


@pytest.mark.parametrize("error_block", [False, True])
async def test_a_token_that_may_only_read_cannot_make_a_group(error_block: bool) -> None:  # noqa: FBT001  a case
    async with desk(error_block=error_block) as bench:
        scopes = ["https://www.googleapis.com/auth/contacts.readonly"]
        answer = await bench.control.call("POST", "/tokens", {"account": bench.book.sub, "scopes": scopes})
        bench.book.token = answer["access_token"]
        assert await bench.account.contact_count() == 0
        with pytest.raises(AuthorizationLostError) as caught:
            await bench.account.create_group("Mine")
        assert caught.value.reason == "missing_scope"
