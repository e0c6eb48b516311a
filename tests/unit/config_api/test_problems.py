"""Problems: listed, told in both languages, and documented where they are answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from config_api.app import interface
from config_api.web.language import Language
from config_api.web.problems import MEDIA_TYPE, PROBLEMS
from tools.problems import PAGE, page

SOURCES = Path(__file__).resolve().parents[3] / "services/config-api/src/config_api"


def operations() -> list[Any]:
    paths = interface().openapi()["paths"]
    return [
        pytest.param(operation, id=f"{method} {path}")
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def test_the_page_lists_every_problem() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python tools/problems.py writes it anew"


def test_every_problem_is_told_in_both_languages() -> None:
    for problem in PROBLEMS.values():
        assert len({problem.texts[language] for language in Language}) == 2, problem.code
        assert re.search(r"[\w»] [:;?!]", problem.texts[Language.FRENCH]) is None, problem.code


def test_every_problem_that_the_code_raises_is_listed() -> None:
    raised = {
        code
        for source in SOURCES.rglob("*.py")
        for code in re.findall(r'ProblemError\(\s*"(\w+)"', source.read_text(encoding="utf-8"))
    }
    assert raised <= set(PROBLEMS)


def test_the_description_is_openapi_3_1() -> None:
    assert interface().openapi()["openapi"].startswith("3.1")


@pytest.mark.parametrize("operation", operations())
def test_each_call_says_what_it_does_and_shows_its_errors(operation: dict[str, Any]) -> None:
    assert operation.get("description") or operation.get("summary")
    for status, response in operation["responses"].items():
        if status >= "400":
            examples = response["content"][MEDIA_TYPE]["examples"]
            assert all(example["value"]["status"] == int(status) for example in examples.values())
