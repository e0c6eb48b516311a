"""What the log counts and notices."""

from simulators.clock import SimClock
from simulators.requestlog import Call, RequestLog


def test_two_writes_at_once_for_one_account_are_noticed() -> None:
    log = RequestLog(SimClock())
    first = log.begin("POST", "/a", Call("write", "1", mutation=True))
    second = log.begin("POST", "/a", Call("write", "1", mutation=True))
    assert (first.parallel_mutation, second.parallel_mutation) == (False, True)
    assert log.parallel_mutations == 1


def test_reads_beside_a_write_and_writes_of_other_accounts_are_no_parallel_writes() -> None:
    log = RequestLog(SimClock())
    log.begin("POST", "/a", Call("write", "1", mutation=True))
    log.begin("GET", "/a", Call("read", "1"))
    log.begin("POST", "/a", Call("write", "2", mutation=True))
    assert log.parallel_mutations == 0
    assert log.counters()["max_in_flight"] == {"1": 2, "2": 1}


def test_a_write_after_another_has_ended_is_not_parallel() -> None:
    log = RequestLog(SimClock())
    log.finish(log.begin("POST", "/a", Call("write", "1", mutation=True)), 200)
    log.finish(log.begin("POST", "/a", Call("write", "1", mutation=True)), -1)
    assert log.parallel_mutations == 0
    assert log.mutations_in_flight("1") == 0


def test_counters_add_up_calls_answers_items_and_cost() -> None:
    log = RequestLog(SimClock())
    for status in (200, 200, 429):
        log.finish(log.begin("POST", "/a", Call("write", "1", units={"reads": 6}, items=10)), status)
    assert log.counters()["operations"]["write"] == {
        "calls": 3,
        "items": 30,
        "statuses": {"200": 2, "429": 1},
        "units": {"reads": 18},
    }


def test_entries_are_found_by_operation_account_and_number() -> None:
    log = RequestLog(SimClock())
    for operation, account in (("a", "1"), ("b", "1"), ("a", "2")):
        log.finish(log.begin("GET", "/" + operation, Call(operation, account)), 200)
    assert [entry["number"] for entry in log.as_json(operation="a")] == [1, 3]
    assert [entry["number"] for entry in log.as_json(account="1", since=1)] == [2]
    log.reset()
    assert log.as_json() == []
    assert log.counters()["calls"] == 0
