"""The form in which two values count as equal: no write follows from what a user does not see.

Canonical forms are compared and digested, never shown and never written: values travel as they were typed.
`canonical` is idempotent. A change to any rule here must raise `CANONICAL_VERSION`, which puts all digests out of use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from unicodedata import normalize

import phonenumbers

from contactsync.domain.catalogue import ValueKind

CANONICAL_VERSION: Final = 1

NO_CHOICE: Final = "-None-"
"""What an empty picklist of the CRM shows."""

_INTERNATIONAL: Final = re.compile(r"\+[1-9][0-9 .\-()/\u00a0]{6,24}")
_FORMATTING: Final = str.maketrans("", "", " .-()/\u00a0")
_SHORTEST: Final = 7
_LONGEST: Final = 15
"""Digits of a number with its country code (E.164, 6)."""
_NO_DIAL: Final = re.compile(r"[^0-9+*#,;]")
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?")
_DATE: Final = re.compile(r"(?:(\d{4})|-)-(\d{1,2})(?:-(\d{1,2}))?|(\d{4})")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)(.*)", re.DOTALL)


def canonical(kind: ValueKind, text: str, region: str = "") -> str:
    """The canonical form of a value; empty for a value that says nothing.

    `region` is the ISO 3166 region for phone numbers without a country code; without one they stay digits.
    """
    if not text:
        return ""
    if kind is ValueKind.PHONE:
        return canonical_phone(text, region)
    return _RULES[kind](text)


def fold(text: str) -> str:
    """Text without case, in one composed form, single-spaced: how names and companies are compared."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(normalize("NFC", normalize("NFD", text).casefold()).split())


def _text(text: str) -> str:
    composed = text if text.isascii() else normalize("NFC", text)
    return " ".join(composed.split())


def _multiline(text: str) -> str:
    """Line ends alone differ between the two sides; spaces inside may be a drawing or a list."""
    composed = text if text.isascii() else normalize("NFC", text)
    return composed.replace("\r\n", "\n").replace("\r", "\n").strip()


def _picklist(text: str) -> str:
    return "" if text.strip() == NO_CHOICE else fold(text)


def _multi_picklist(text: str) -> str:
    return ";".join(sorted({folded for part in text.split(";") if (folded := _picklist(part))}))


def _boolean(text: str) -> str:
    folded = fold(text)
    if folded in {"true", "yes", "1"}:
        return "true"
    return "false" if folded in {"false", "no", "0"} else folded


def _number(text: str) -> str:
    stripped = text.strip()
    if not stripped.isascii() or _NUMBER.fullmatch(stripped) is None:
        return _text(text)
    plain = f"{Decimal(stripped):f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", "+0"} else plain


def _date(text: str) -> str:
    day = partial_date(text)
    return str(day) if day is not None else _text(text)


def _datetime(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return _text(text)
    return moment.astimezone(UTC).isoformat() if moment.tzinfo else moment.isoformat()


def _url(text: str) -> str:
    """Scheme and host have no case (RFC 3986, 6.2.2.1), and an empty path is `/` (6.2.3)."""
    plain = _text(text)
    match = _URL.fullmatch(plain)
    if match is None:
        return plain
    origin, rest = match.groups()
    return origin.lower() + ("" if rest == "/" else rest)


_RULES: Final[Mapping[ValueKind, Callable[[str], str]]] = MappingProxyType(
    {
        ValueKind.TEXT: _text,
        ValueKind.MULTILINE: _multiline,
        ValueKind.EMAIL: fold,
        ValueKind.DATE: _date,
        ValueKind.DATETIME: _datetime,
        ValueKind.COMPANY: fold,
        ValueKind.PICKLIST: _picklist,
        ValueKind.MULTI_PICKLIST: _multi_picklist,
        ValueKind.BOOLEAN: _boolean,
        ValueKind.NUMBER: _number,
        ValueKind.URL: _url,
    }
)


# --- dates ----------------------------------------------------------------------------------------------------------


class PartialDate(str):
    """A date as far as it is known, in its canonical form: `1975-06-20`, `--06-20`, `1975-06`, `1975`."""

    __slots__ = ()

    @property
    def complete(self) -> bool:
        """Whether it names one day."""
        return len(self) == len("YYYY-MM-DD")


def partial_date(text: str) -> PartialDate | None:
    """The date that `text` writes, in one of Google's four forms; None for anything else, and for no real day.

    Source: People API, `Date`: a full date; month and day; a year; a year and month.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None or not text.isascii():
        return None
    year, month, day, alone = match.groups()
    if alone is not None:
        return PartialDate(alone) if alone != "0000" else None
    if year is None and day is None:
        return None
    try:
        # 29 February is a day in the leap year 2000, which stands for the missing year.
        real = date(int(year or 2000), int(month), int(day or 1))
    except ValueError:
        return None
    head = f"{real.year:04d}" if year is not None else "-"
    return PartialDate(f"{head}-{real.month:02d}" + (f"-{real.day:02d}" if day is not None else ""))


# --- phone numbers --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def canonical_phone(text: str, region: str = "") -> str:
    """`+15550100;ext=12` where the number can be understood, else the keys that one would press, else the text.

    Numbers written with `+` need no region. Source: ITU-T E.164; RFC 3966 for the extension.
    """
    plain = text if text.isascii() else normalize("NFKC", text)
    if _INTERNATIONAL.fullmatch(plain) is not None and (number := _as_written(plain)):
        return number
    parsed = _parsed(plain, region)
    if parsed is not None:
        return parsed
    if any(character.isalpha() for character in plain):
        return fold(plain)
    keys = _NO_DIAL.sub("", plain)
    if not any(character.isdigit() for character in keys):
        return fold(plain)
    return _parsed(keys, region) or keys


def _as_written(text: str) -> str:
    """The digits of an international number that has nothing to interpret: no trunk prefix after the country code."""
    digits = text.translate(_FORMATTING)
    for length in (1, 2, 3):
        code = digits[1 : 1 + length]
        if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            rest = digits[1 + length :]
            plain = (
                code not in _OWN_TRUNK_PREFIX
                and not rest.startswith("0")
                and _SHORTEST <= len(rest) <= _LONGEST - length
            )
            return digits if plain else ""
    return ""


_OWN_TRUNK_PREFIX: Final = frozenset({"7", "52", "54", "55", "225", "229", "247", "290", "376", "378", "379", "800"})
"""Country codes whose national numbers are rewritten by more than dropping a leading 0: left to the library."""


def _parsed(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    e164: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164
