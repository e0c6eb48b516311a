"""Opens worlds for stories: each is told inside and from outside (`tests.support.story`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol, TypeVar

import pytest

from contactsync.ports.requests import RunLimits
from tests.support.inside import inside_world
from tests.support.outside import OutsideWorld, outside_world
from tests.support.postgres import Databases
from tests.support.story import OpenWorld
from tests.support.vendors import Json

Test = TypeVar("Test", bound=Callable[..., object])


OUTSIDE = (pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.timeout(180))
"""Of what goes through servers; a machine that does much beside may be slow."""


def outside(test: Test) -> Test:
    """Marks a test that asks for `open_outside`."""
    for mark in OUTSIDE:
        test = mark(test)
    return test


class OpenOutside(Protocol):
    """Opens a world that is seen from outside alone."""

    def __call__(
        self,
        *,
        limits: RunLimits | None = None,
        view_criteria: Json | None = None,
        product: dict[str, object] = ...,
        **settings: Any,  # noqa: ANN401  a value for any setting of the configuration
    ) -> AbstractAsyncContextManager[OutsideWorld]:
        """As `outside_world`; `product` are settings of the installation."""
        ...


@pytest.fixture
def open_outside(databases: Databases, amqp_url: str) -> OpenOutside:
    """For what the outside alone can tell; the test is marked by `outside`."""
    return partial(outside_world, databases, amqp_url)


@pytest.fixture(params=["inside", pytest.param("outside", marks=OUTSIDE)])
def open_world(request: pytest.FixtureRequest) -> OpenWorld:
    """The same story in memory and from outside."""
    if request.param == "inside":
        return inside_world
    opened: OpenWorld = request.getfixturevalue("open_outside")
    return opened
