"""Values that are not accepted: each code is told in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config_api.app import interface
from config_api.web.fields import SENTENCES, FieldError, field_errors
from config_api.web.language import Language
from config_api.web.texts import Text
from contactsync.domain import mapping
from contactsync.domain.frequency import Frequency

SOURCES = Path(__file__).resolve().parents[3] / "services/config-api/src/config_api"


class Everything(BaseModel):
    """A value of each kind that the interface takes."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[Text, Field(min_length=2, max_length=3)]
    form: Annotated[str, Field(pattern="^[a-z]{2}$")]
    choice: Frequency
    literal: Literal["page", "popup"]
    flag: bool
    number: Annotated[int, Field(ge=1, le=100)]
    rows: Annotated[list[int], Field(min_length=1, max_length=1)]
    values: dict[str, str]
    id: UUID


RIGHT: dict[str, Any] = {
    "text": "ab",
    "form": "eu",
    "choice": "1h",
    "literal": "page",
    "flag": True,
    "number": 1,
    "rows": [1],
    "values": {},
    "id": str(UUID(int=1)),
}

KINDS: dict[str, list[Any]] = {
    "text": [1, "a", "abcd", "a\0", "\ud800b", None, [], {}],
    "form": ["EU", "", 1],
    "choice": ["x", 1, None, []],
    "literal": ["x", 1, None, []],
    "flag": ["perhaps", 7, None, []],
    "number": [0, 101, "x", "9" * 5000, 1.5, None, []],
    "rows": [[], [1, 2], ["x"], "x", 1, {}],
    "values": [[], "x", {"a": 1}, None],
    "id": ["x", 1, None, "0" * 31],
    "more": [1],
}
WRONG = [(name, value) for name, values in KINDS.items() for value in values]


def refused(**changes: object) -> list[FieldError]:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate({**RIGHT, **changes})
    return field_errors(caught.value.errors())


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_has_no_form_is_told_in_both_languages_and_not_repeated(name: str, value: object) -> None:
    for error in refused(**{name: value}):
        assert error.field.startswith(name)
        assert error.code in SENTENCES
        told = {language: error.message(language) for language in Language}
        assert told[Language.ENGLISH] != told[Language.FRENCH]
        assert "{" not in "".join(told.values())
        assert "abcd" not in "".join(told.values())


def test_what_is_missing_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate({})
    assert {error.code for error in field_errors(caught.value.errors())} == {"missing"}


def test_choices_are_listed_without_a_word_of_one_language() -> None:
    (error,) = refused(literal="x")
    assert error.message(Language.FRENCH) == "Ce doit être l’une de ces valeurs\u00a0: 'page', 'popup'."


def test_every_code_that_is_raised_has_its_sentence_in_both_languages() -> None:
    codes = {
        code
        for source in SOURCES.rglob("*.py")
        for code in re.findall(r'FieldError\([^"]*f?"[^"]+", "(\w+)"', source.read_text(encoding="utf-8"))
    }
    codes |= set(re.findall(r'MappingProblem\(\w+, "(\w+)"', Path(mapping.__file__).read_text(encoding="utf-8")))
    assert len(codes) > 20, "the pattern finds them"
    assert codes <= SENTENCES.keys()


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences_differ_mention_the_same_and_are_written_as_the_language_asks(code: str) -> None:
    english, french = (SENTENCES[code][language] for language in Language)
    mentions = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, french)]
    assert mentions[0] == mentions[1]
    assert english != french
    assert re.search(r"[\w»] [:;?!]", french) is None


def test_an_unknown_code_is_no_failure() -> None:
    error = FieldError("name", "something_new")
    assert error.message(Language.ENGLISH) == "This value is not accepted."
    assert error.message(Language.FRENCH) == "Cette valeur n’est pas acceptée."


def test_the_description_shows_such_an_error() -> None:
    shown = interface().openapi()["paths"]["/v1/sync-configs"]["post"]["responses"]["422"]
    example = shown["content"]["application/problem+json"]["examples"]["invalid_request"]["value"]
    assert example["errors"] == [{"field": "direction", "code": "missing", "message": "A value is needed."}]
