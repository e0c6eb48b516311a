"""What the documents tell a newcomer to type or to open is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted(document for pattern in ("*.md", "docs/**/*.md") for document in ROOT.glob(pattern))
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _name(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    code = re.findall(r"`([^`]+)`|^(make .*)$", document.read_text(), re.MULTILINE)
    commands = [part for inline, line in code for part in (inline, line)]
    targets = {target for command in commands for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", command)}
    assert targets <= TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_every_linked_file_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    listed = set(re.findall(r"\]\((\d{8}-[^)]+\.md)\)", (ROOT / "docs/adr/README.md").read_text()))
    assert listed == {decision.name for decision in (ROOT / "docs/adr").glob("2*.md")}


@pytest.mark.parametrize("decision", sorted((ROOT / "docs/adr").glob("2*.md")), ids=_name)
def test_a_decision_names_question_options_choice_and_cost(decision: Path) -> None:
    assert re.findall(r"^## (.*)$", decision.read_text(), re.MULTILINE) == ["Question", "Options", "Choice", "Cost"]
