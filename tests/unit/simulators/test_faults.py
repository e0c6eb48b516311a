"""Which calls a fault hits, and how often."""

from collections.abc import Sequence
from random import Random

import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from simulators.faults import ConnectionCutError, Fault, FaultPlan

REQUEST = Request({"type": "http", "method": "GET", "path": "/", "headers": []})


class Answers:
    """A vendor of few words."""

    def error(self, operation: str, status: int) -> Response:
        return Response(operation, status)

    def rate_limited(self, operation: str, variant: str | None) -> Response:
        if variant not in {None, "daily"}:
            raise ValueError(variant)
        return Response(operation, 429)


class Sleeps:
    """Remembers how long it was to sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def plan(*faults: Fault, sleep: Sleeps | None = None) -> FaultPlan:
    found = FaultPlan(Answers(), Random(1), sleep or Sleeps())
    for fault in faults:
        found.add(fault)
    return found


async def statuses(faults: FaultPlan, operations: Sequence[str], account: str | None = None) -> list[int]:
    """What each call gets instead of being carried out; 0 where it is carried out."""
    found = [await faults.before(operation, REQUEST, account) for operation in operations]
    return [response.status_code if response else 0 for response in found]


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ("*", [503, 503, 503]),
        ("people.batchCreate*", [503, 0, 0]),
        ("re:people\\.(batchCreateContacts|get)", [503, 0, 503]),
        ("re:people", [0, 0, 0]),
    ],
)
async def test_operations_are_matched_by_glob_or_by_regular_expression(match: str, hit: list[int]) -> None:
    faults = plan(Fault(match=match, action="status", status=503))
    assert await statuses(faults, ["people.batchCreateContacts", "contactGroups.list", "people.get"]) == hit


async def test_a_fault_waits_hits_and_is_used_up() -> None:
    faults = plan(Fault(action="status", status=500, after=1, times=2))
    assert await statuses(faults, ["a"] * 5) == [0, 500, 500, 0, 0]
    assert (faults.as_json()[0]["seen"], faults.as_json()[0]["hits"]) == (5, 2)


async def test_the_next_fault_takes_over_when_one_is_used_up() -> None:
    faults = plan(Fault(action="status", status=500, times=1), Fault(action="rate_limit", times=1))
    assert await statuses(faults, ["a"] * 3) == [500, 429, 0]


async def test_a_fault_can_be_one_accounts_own() -> None:
    faults = plan(Fault(action="status", status=500, account="1"))
    assert await statuses(faults, ["a"], "2") == [0]
    assert await statuses(faults, ["a"], "1") == [500]


async def test_probability_is_repeatable_by_its_seed() -> None:
    def fault() -> Fault:
        return Fault(action="status", status=500, probability=0.5)

    first = await statuses(plan(fault()), ["a"] * 50)
    assert first == await statuses(plan(fault()), ["a"] * 50)
    assert {0, 500} == set(first)


async def test_a_slow_answer_is_delayed_and_the_next_fault_still_asked() -> None:
    sleep = Sleeps()
    faults = plan(Fault(action="slow", delay_s=3), Fault(action="status", status=503), sleep=sleep)
    assert await statuses(faults, ["a"]) == [503]
    assert sleep.slept == [3]


async def test_a_cut_before_the_call_and_one_after_it() -> None:
    faults = plan(Fault(action="cut_before", match="a"), Fault(action="cut_after", match="b"))
    with pytest.raises(ConnectionCutError):
        await faults.before("a", REQUEST)
    assert await faults.before("b", REQUEST) is None
    with pytest.raises(ConnectionCutError):
        await faults.after("b", REQUEST, Response())


async def test_a_cut_in_the_middle_lets_its_share_be_carried_out() -> None:
    faults = plan(Fault(action="cut_partly", match="a", keep=0.5, times=1))
    done: list[int] = []
    with pytest.raises(ConnectionCutError):
        done.extend(faults.until_cut("a", range(5)))
    assert list(faults.until_cut("b", range(5))) == list(faults.until_cut("a", range(5))) == [0, 1, 2, 3, 4]


async def test_body_and_headers_are_sent_as_given() -> None:
    faults = plan(
        Fault(action="status", status=418, body={"a": 1}, headers={"Retry-After": "7"}, times=1),
        Fault(action="status", status=502, body="<p>Bad gateway</p>", times=1),
        Fault(action="html200"),
    )
    first, second, third = [await faults.before("a", REQUEST) for _ in range(3)]
    assert first is not None
    assert (first.status_code, first.body, first.headers["Retry-After"]) == (418, b'{"a":1}', "7")
    assert second is not None
    assert second.headers["Content-Type"].startswith("text/html")
    assert third is not None
    assert (third.status_code, third.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_a_listing_loses_its_end() -> None:
    faults = plan(Fault(action="short_listing", keep=0.25, times=1), Fault(action="cut_listing", keep=0.5, times=1))
    assert faults.shorten("list", range(8)) == (range(2), 2)
    assert faults.shorten("list", range(8)) == (range(4), 8)
    assert faults.shorten("list", range(8)) == (range(8), 8)


@pytest.mark.parametrize(
    "values",
    [
        {"action": "explode"},
        {"action": "status", "status": 99},
        {"action": "status", "times": 0},
        {"action": "status", "unknown": 1},
        {"action": "status", "match": "re:("},
        {"action": "status", "probability": 0},
    ],
)
def test_a_fault_that_cannot_be_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(values)


def test_a_kind_of_quota_that_the_vendor_does_not_have_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="hourly"):
        plan(Fault(action="rate_limit", variant="hourly"))
