"""Stories run over the state in memory and over PostgreSQL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

import pytest

from tests.support.sync_world import SyncWorld, sync_world


class OpenWorld(Protocol):
    """`sync_world` over one of the states."""

    def __call__(self, **settings: object) -> AbstractAsyncContextManager[SyncWorld]:
        """Both vendors with empty books, and a configuration; the arguments are those of `sync_world`."""
        ...


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_world(request: pytest.FixtureRequest) -> OpenWorld:
    """The same story over either state."""
    if request.param == "memory":
        return sync_world  # type: ignore[return-value]  # the protocol does not repeat the names
    return partial(sync_world, database=request.getfixturevalue("database"))
