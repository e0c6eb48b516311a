"""Bodies that are no JSON, or that two readers could understand in two ways, are refused with what is wrong."""

from __future__ import annotations

import pytest

from config_api.web.bodies import parsed
from config_api.web.problems import ProblemError


def refused(body: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        parsed(body)
    assert caught.value.problem.code == "malformed_body"
    return caught.value


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"name": }', "Expecting value at character 9"),
        (b'{"name": "a"} x', "Extra data at character 14"),
        (b'{"name": "\xff"}', "Byte 10 is not UTF-8"),
        (b'{"name": NaN}', "NaN is no JSON number"),
        (b'{"name": -Infinity}', "-Infinity is no JSON number"),
        (b"[" * 100_000, "Objects and lists stand too deep in one another"),
        (b'{"a":' * 100_000, "Objects and lists stand too deep in one another"),
        (b"1" * 10_000, "A number has too many digits"),
        (b'{"name": "a\nb"}', "Invalid control character at at character 11"),
        ("\ufeff{}".encode(), "Unexpected UTF-8 BOM (decode using utf-8-sig) at character 0"),
    ],
)
def test_what_is_no_json_is_refused_and_says_where(body: bytes, detail: str) -> None:
    assert refused(body).detail == detail


def test_a_name_that_stands_twice_in_an_object_is_named() -> None:
    error = refused(b'{"direction": "two_way", "mapping": [{"a": 1, "a": 2}]}')
    assert [(one.field, one.code) for one in error.errors] == [("a", "given_twice")]


def test_the_same_name_in_two_objects_is_none_twice() -> None:
    assert parsed(b'[{"a": 1}, {"a": 2}]') == [{"a": 1}, {"a": 2}]
