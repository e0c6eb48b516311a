"""The catalogue of mutants follows the code: each can be made, whether or not somebody runs them today."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutants.catalogue import MUTANTS, ROOT, SOURCES, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
def test_a_mutant_breaks_one_place_that_is_there(mutant: Mutant) -> None:
    [source] = [place for folder in SOURCES if (place := ROOT / folder / mutant.file).is_file()]

    compile(mutant.broken(source.read_text(encoding="utf-8")), mutant.file, "exec")


def test_mutants_have_names_of_their_own() -> None:
    assert not [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1]
