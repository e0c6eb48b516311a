"""Etags of contacts: the source's and the person's.

The source etag names a version of the contact. The person's etag also holds what was asked for, so it differs from mask
to mask while the contact stays the same; each of them is accepted on a write. Its layout, a small protobuf message,
follows published samples.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache

from simulators.google.schema import READ_SOURCES, READABLE

_FIELD_NUMBERS = {name: number for number, name in enumerate(sorted(READABLE), start=1)}
_MASK, _SOURCES, _SOURCE_ETAG = 0x12, 0x1A, 0x22  # protobuf keys of fields 2, 3 and 4, each length-delimited


def source_etag(bits: int) -> str:
    """The etag of a contact version from 64 random bits."""
    return "#" + base64.b64encode(bits.to_bytes(8, "big")).decode()


@lru_cache(maxsize=256)
def _prefix(mask: tuple[str, ...], sources: tuple[str, ...]) -> bytes:
    fields = bytes(_FIELD_NUMBERS[name] for name in mask)
    kinds = bytes(READ_SOURCES.index(name) for name in sources)
    return _part(_MASK, fields) + _part(_SOURCES, kinds)


def _part(key: int, content: bytes) -> bytes:
    return bytes((key, len(content))) + content


def person_etag(mask: tuple[str, ...], sources: tuple[str, ...], of_source: str) -> str:
    """The person's etag for one mask and list of sources."""
    content = _prefix(mask, sources) + _part(_SOURCE_ETAG, of_source.removeprefix("#").encode())
    return "%" + base64.b64encode(content).decode()


def version_of(etag: str) -> str | None:
    """The source etag that `etag`, of either kind, stands for; None when it is neither."""
    if etag.startswith("#"):
        return etag
    try:
        content = base64.b64decode(etag.removeprefix("%"), validate=True)
    except binascii.Error:
        return None
    for key, part in _parts(content):
        if key == _SOURCE_ETAG:
            return "#" + part.decode("ascii", "replace")
    return None


def _parts(content: bytes) -> Iterable[tuple[int, bytes]]:
    position = 0
    while position + 2 <= len(content):
        key, length = content[position], content[position + 1]
        yield key, content[position + 2 : position + 2 + length]
        position += 2 + length
