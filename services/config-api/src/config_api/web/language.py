"""The language of texts: English, or French where the caller prefers it."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Final

from babel import negotiate_locale
from fastapi import Request

_LONGEST: Final = 200
"""Characters of the header that are read; a browser sends a tenth of that."""


class Language(StrEnum):
    """Languages that the product speaks."""

    ENGLISH = "en"
    FRENCH = "fr"


def language_of(request: Request) -> Language:
    """The best of our languages for the request's `Accept-Language` (RFC 9110, 12.5.4)."""
    return _language_for(request.headers.get("accept-language", "")[:_LONGEST])


@lru_cache(maxsize=1024)
def _language_for(header: str) -> Language:
    wanted = _by_preference(header)
    return Language(negotiate_locale(wanted, [str(language) for language in Language], sep="-") or Language.ENGLISH)


def _by_preference(header: str) -> list[str]:
    ranges: list[tuple[float, str]] = []
    for part in header.split(","):
        name, _, parameters = part.strip().lower().partition(";")  # capitals mean nothing (RFC 5646, 2.1.1)
        quality = parameters.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if name and weight > 0:
            ranges.append((-weight, name))
    return [name for _, name in sorted(ranges, key=lambda item: item[0])]
