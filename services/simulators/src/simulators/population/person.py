"""One simulated person, in no vendor's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PlaceKind = Literal["work", "home"]


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; parts may be empty, the street may have several lines."""

    kind: PlaceKind
    street: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """What is known about somebody; every part may be missing.

    `emails`, `phones`, `messengers` and `custom` are (type or key, value) in order, the first being the usual one.
    `birthday` is (year or None, month, day).
    """

    given: str = ""
    family: str = ""
    prefix: str = ""
    nickname: str = ""
    company: str = ""
    title: str = ""
    department: str = ""
    emails: tuple[tuple[str, str], ...] = ()
    phones: tuple[tuple[str, str], ...] = ()
    addresses: tuple[Address, ...] = ()
    birthday: tuple[int | None, int, int] | None = None
    notes: str = ""
    assistant: str = ""
    messengers: tuple[tuple[str, str], ...] = ()
    websites: tuple[str, ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
