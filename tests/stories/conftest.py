"""Opens worlds for stories: each is told inside and from outside (`tests.support.story`)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol

import pytest

from contactsync.ports.requests import RunLimits
from tests.support.inside import inside_world
from tests.support.outside import OutsideWorld, outside_world
from tests.support.postgres import Database
from tests.support.story import OpenWorld
from tests.support.vendors import Json

OUTSIDE = (pytest.mark.postgres, pytest.mark.rabbitmq)


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
def open_outside(database: Database, amqp_url: str) -> OpenOutside:
    """For what the outside alone can tell. The test carries the marks `postgres` and `rabbitmq`."""
    return partial(outside_world, database, amqp_url)


@pytest.fixture(params=["inside", pytest.param("outside", marks=OUTSIDE)])
def open_world(request: pytest.FixtureRequest) -> OpenWorld:
    """The same story in memory and from outside."""
    if request.param == "inside":
        return inside_world
    opened: OpenWorld = request.getfixturevalue("open_outside")
    return opened
