"""Whoever follows the deltas holds, at every moment, what a full listing shows."""

from datetime import timedelta
from random import Random

import pytest

from tests.unit.simulators.google.api import Api, Json, named

STEPS = 40


class Follower:
    """A client that keeps a copy of the address book by sync tokens alone."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._token: str | None = None
        self.people: dict[str, Json] = {}

    async def follow(self) -> None:
        """Apply all pages of one listing."""
        page: str | None = None
        while True:
            query = {"syncToken": self._token, "pageToken": page}
            answer = await self._api.listing(pageSize=3, **{key: text for key, text in query.items() if text})
            for person in answer.get("connections", []):
                self._apply(person)
            page = answer.get("nextPageToken")
            if page is None:
                self._token = answer["nextSyncToken"]
                return

    def _apply(self, person: Json) -> None:
        for former in person["metadata"].pop("previousResourceNames", []):
            self.people.pop(former, None)
        if person["metadata"].get("deleted"):
            self.people.pop(person["resourceName"], None)
        else:
            self.people[person["resourceName"]] = person


async def everyone(api: Api) -> dict[str, Json]:
    people = (await api.listing(pageSize=1000)).get("connections", [])
    return {person["resourceName"]: person for person in people}


async def one_change(api: Api, rng: Random) -> None:
    """Something that the owner, a client or time does."""
    book = api.book
    names = [version.resource_name for version in book.contacts.values()]
    kind = rng.choice(["create", "create", "edit", "delete", "restore", "rename", "merge", "touch", "star", "wait"])
    if kind == "wait":
        api.sim.bench.clock.advance(timedelta(seconds=rng.uniform(1, 30)))
    elif kind == "restore" and book.trash:
        book.restore(rng.choice(list(book.trash)))
    elif kind == "create" or not names:
        await api.create(named(f"P{rng.randrange(1000)}"))
    elif kind == "merge" and len(names) > 1:
        kept, gone = rng.sample(names, 2)
        await api.control("POST", "/accounts/1001/people/merge", {"kept": kept, "gone": gone})
    elif kind == "delete":
        await api.ok("DELETE", f"/v1/{rng.choice(names)}:deleteContact")
    elif kind == "star":
        body = {"resourceNamesToAdd": rng.sample(names, min(2, len(names)))}
        await api.ok("POST", "/v1/contactGroups/starred/members:modify", body)
    elif kind in {"rename", "touch"}:
        await api.control("POST", f"/accounts/1001/{rng.choice(names)}/{kind}")
    else:
        fields = {"fields": {"nicknames": [{"value": f"N{rng.randrange(1000)}"}]}}
        await api.control("PATCH", f"/accounts/1001/{rng.choice(names)}", fields)


@pytest.mark.parametrize("seed", range(12))
async def test_following_the_deltas_equals_reading_in_full(api: Api, seed: int) -> None:
    rng = Random(seed)
    delays = {"visibility_delay_s": 20 * (seed % 2), "visibility_jitter_s": 15 * (seed % 3)}
    await api.control("POST", "/settings", {"quotas_enabled": False, **delays})
    follower = Follower(api)
    for _ in range(STEPS):
        await one_change(api, rng)
        if rng.random() < 0.4:
            await follower.follow()
            assert follower.people == await everyone(api)
    api.sim.bench.clock.advance(timedelta(minutes=1))
    await follower.follow()
    true = await api.control("GET", "/accounts/1001/people")
    assert set(follower.people) == {person["resourceName"] for person in true["people"]}
    assert follower.people == await everyone(api)
