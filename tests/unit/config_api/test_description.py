"""The description of the interface says everything that a client's author needs, for every call."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from config_api.app import interface
from config_api.description import OPERATIONS

DOCUMENT = interface().openapi()
CALLS = [
    pytest.param(method, path, operation, id=operation["operationId"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
ADMINISTRATORS_ALONE = ("/v1/webhook-endpoints", "/v1/audit-events")

every_call = pytest.mark.parametrize(("method", "path", "operation"), CALLS)


def errors(schema: dict[str, Any], value: object) -> list[str]:
    """What is wrong with a value, by a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


def test_names_of_calls_are_chosen_and_each_is_of_one_call() -> None:
    places = {f"{method.upper()} {path}" for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert places == set(OPERATIONS)
    assert len(set(OPERATIONS.values())) == len(OPERATIONS)


@every_call
def test_a_call_says_what_it_does(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["operationId"] == OPERATIONS[f"{method.upper()} {path}"]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]


@every_call
def test_a_body_has_an_example_that_fits(method: str, path: str, operation: dict[str, Any]) -> None:
    body = operation.get("requestBody")
    assert (body is not None) == (method == "put") or method == "post", path
    for content in (body or {"content": {}})["content"].values():
        assert not errors(content["schema"], content["example"])


@every_call
def test_each_answer_has_an_example_that_fits(method: str, path: str, operation: dict[str, Any]) -> None:
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type == "application/problem+json":
                assert content["examples"], (method, path, status)
                for code, example in content["examples"].items():
                    assert not errors(content["schema"], example["value"])
                    assert (example["value"]["code"], str(example["value"]["status"])) == (code, status)
            elif media_type == "application/json":
                assert not errors(content["schema"], content["example"]), (method, path, status)


def _expected(method: str, path: str, operation: dict[str, Any]) -> set[str]:
    """Statuses of problems that follow from what the call takes."""
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    ids = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["name"].endswith("_id")}
    found = {"429", "500"}
    if names or "requestBody" in operation:
        found.add("422")
    if path.startswith("/v1/"):
        found.add("401")
        found |= {"404"} if ids and "{" in path else set()
        found |= {"400", "413", "415"} if "requestBody" in operation else set()
        found |= {"409"} if method == "post" else set()
    if path.startswith(ADMINISTRATORS_ALONE):
        found.add("403")
    if "If-Match" in names:
        found |= {"412", "428"}
    return found


@every_call
def test_a_call_documents_the_problems_that_follow_from_what_it_takes(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert _expected(method, path, operation) <= set(operation["responses"])
    assert ("security" in operation) == ("401" in operation["responses"])


@every_call
def test_every_post_of_a_caller_takes_an_idempotency_key(method: str, path: str, operation: dict[str, Any]) -> None:
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    assert ("Idempotency-Key" in names) == (method == "post" and path.startswith("/v1/"))
