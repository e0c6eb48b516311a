"""What a provider's redirect brings back to us."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What the provider's redirect carries."""

    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    error: str | None = None
    accounts_server: str | None = None
    location: str | None = None


async def returned(
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str | None, Query(max_length=4000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
    accounts_server: Annotated[str | None, Query(alias="accounts-server", max_length=200)] = None,
    location: Annotated[str | None, Query(max_length=20)] = None,
) -> Returned:
    """The dependency of routes that providers send browsers back to; Zoho alone names its server and location."""
    return Returned(state=state, code=code, error=error, accounts_server=accounts_server, location=location)


Redirected = Annotated[Returned, Depends(returned)]
