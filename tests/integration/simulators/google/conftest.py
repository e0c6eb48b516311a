"""A fresh simulator for each test, with one account."""

from collections.abc import Iterator

import pytest

from tests.integration.simulators.google.harness import PeopleClient, Simulator, simulator


@pytest.fixture
def google() -> Iterator[Simulator]:
    """A simulator with the account 1001."""
    with simulator() as found:
        found.add_account()
        yield found


@pytest.fixture
def client(google: Simulator) -> PeopleClient:
    """The official client with full rights to the account."""
    return google.client()
