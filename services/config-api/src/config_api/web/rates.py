"""How many requests a caller may send.

Kept in each process, so that no request waits for a shared count: with n processes up to n times as many pass.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from config_api.web.problems import ProblemError
from contactsync.ports.clock import Clock

_WINDOW_S: Final = 60.0
_MOST_KEPT: Final = 50_000
_LOOK_AGAIN_S: Final = 5


@dataclass(slots=True)
class Rate:
    """At most `a_minute` requests at once, and then one each `60 / a_minute` seconds, for each key.

    The generic cell rate algorithm: one number a key says when it would be empty again (ITU-T I.371, annex A).
    """

    a_minute: int
    _empty_at: OrderedDict[Hashable, float] = field(default_factory=OrderedDict)

    def wait_s(self, key: Hashable, now: float) -> float:
        """Seconds until this key may send a request; 0 when it may now."""
        return max(0.0, self._after(key, now) - now - _WINDOW_S)

    def count(self, key: Hashable, now: float) -> None:
        """A request was let through."""
        self._empty_at[key] = self._after(key, now)
        self._empty_at.move_to_end(key)
        while len(self._empty_at) > _MOST_KEPT:
            self._empty_at.popitem(last=False)

    def _after(self, key: Hashable, now: float) -> float:
        return max(self._empty_at.get(key, now), now) + _WINDOW_S / self.a_minute


class RequestRates:
    """Requests of each user, and of each organisation."""

    def __init__(self, per_user: int, per_organisation: int, clock: Clock) -> None:
        self._users = Rate(per_user)
        self._organisations = Rate(per_organisation)
        self._clock = clock

    def admit(self, organisation: Hashable, user: Hashable) -> None:
        """Count a request. Raises a 429 problem with `Retry-After` when there were too many; it is not counted."""
        now = self._clock.monotonic()
        wait = max(self._users.wait_s((organisation, user), now), self._organisations.wait_s(organisation, now))
        if wait > 0:
            raise ProblemError("rate_limited", headers={"Retry-After": str(math.ceil(wait))})
        self._users.count((organisation, user), now)
        self._organisations.count(organisation, now)


class AtOnce:
    """How many endless answers somebody may hold at once: each asks the database every second, whoever reads it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        """How many are held by all."""
        return self._held.total()

    def check(self, key: Hashable) -> None:
        """Raise a 429 problem with `Retry-After` where there is no room for one more."""
        if self._held[key] >= self._most:
            raise ProblemError("rate_limited", headers={"Retry-After": str(_LOOK_AGAIN_S)})

    @contextmanager
    def held(self, key: Hashable) -> Iterator[None]:
        """Count one while it is sent."""
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            self._held += Counter()  # forgets those who hold none
