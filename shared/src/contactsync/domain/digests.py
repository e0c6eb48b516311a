"""Keyed digests of canonical values: what is kept of a contact between runs.

A digest says "equal" or "different" and nothing else; without the organisation's key it cannot be guessed either.
An empty field has a digest too: an entry means that the value is known, a missing one that it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final

from contactsync.domain.canonical import CANONICAL_VERSION, canonical, canonical_phone, fold
from contactsync.domain.catalogue import ValueKind
from contactsync.domain.contact import Identity, Values
from contactsync.domain.ids import RowKey
from contactsync.domain.keys import KeyKind, MatchKey
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.mapping import MappingRow, row_hash

ROW_HASH: Final = 4
"""Bytes of a row's hash."""
_DIGEST: Final = 8
_ENTRY: Final = ROW_HASH + _DIGEST
_KEY_DIGEST: Final = 16
_SHORTEST_KEY: Final = 16

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")
_FEWEST_DIGITS: Final = 5
"""Shorter numbers are extensions and service numbers, which many people share."""


class DigestSet:
    """Row -> digest of the row's canonical value; immutable, compared as a whole.

    Packed: one byte of canonical version, then entries of 12 bytes (row hash 4, digest 8) in the order of the hashes.
    Entries of another canonical version are kept, and answer no question.
    """

    __slots__ = ("_index", "_packed")

    _index: Mapping[bytes, bytes] | None
    _packed: bytes

    def __init__(self, entries: Mapping[bytes, bytes] | None = None) -> None:
        body = b"".join(name + digest for name, digest in sorted((entries or {}).items()))
        self._packed = bytes((CANONICAL_VERSION,)) + body
        self._index = None

    @classmethod
    def unpack(cls, packed: bytes) -> DigestSet:
        """The set that `pack` wrote; nothing at all is the empty set. Raises ValueError for anything else."""
        if len(packed) <= 1:
            return EMPTY_DIGESTS
        if (len(packed) - 1) % _ENTRY:
            raise ValueError(f"{len(packed)} bytes are no digest set")
        return cls._of(packed)

    @classmethod
    def _of(cls, packed: bytes) -> DigestSet:
        made = cls.__new__(cls)
        made._packed, made._index = packed, None  # noqa: SLF001  a second constructor
        return made

    def pack(self) -> bytes:
        """The stored form."""
        return self._packed

    @property
    def current(self) -> bool:
        """Whether the entries were made by the present rules of normalisation."""
        return self._packed[0] == CANONICAL_VERSION

    @property
    def index(self) -> Mapping[bytes, bytes]:
        """Row hash -> digest; empty when the entries are of another canonical version."""
        index = self._index
        if index is None:
            packed = self._packed
            starts = range(1, len(packed), _ENTRY) if self.current else ()
            index = self._index = {packed[at : at + ROW_HASH]: packed[at + ROW_HASH : at + _ENTRY] for at in starts}
        return index

    def get(self, row: RowKey) -> bytes | None:
        """The digest of a row; None when it is not known."""
        return self.index.get(row_hash(row))

    def __bool__(self) -> bool:
        """Whether there is any entry, of whatever version."""
        return len(self._packed) > 1

    def __len__(self) -> int:
        return len(self._packed) // _ENTRY

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DigestSet) and self._packed == other._packed

    def __hash__(self) -> int:
        return hash(self._packed)

    def __repr__(self) -> str:
        return f"DigestSet({len(self)} rows)"

    def updated(self, other: DigestSet, rows: Iterable[bytes]) -> DigestSet:
        """This set with the entries that `other` has for these row hashes."""
        theirs = other.index
        return DigestSet({**self.index, **{name: theirs[name] for name in rows if name in theirs}})

    def restricted(self, mapping: FieldMapping) -> DigestSet:
        """This set without entries of rows that the mapping has not: a row that is removed takes its base along."""
        if all(mapping.by_hash(name) is not None for name in self.index):
            return self
        return DigestSet({name: digest for name, digest in self.index.items() if mapping.by_hash(name) is not None})

    def differing(self, base: DigestSet) -> Iterator[bytes]:
        """Hashes of the rows known here whose digest in `base` is another or missing."""
        theirs = base.index
        return (name for name, digest in self.index.items() if theirs.get(name) != digest)


EMPTY_DIGESTS: Final = DigestSet()
_NO_DIGESTS: Final[Mapping[bytes, bytes]] = {}


class Digester:
    """Makes the digests of one organisation under its key (16 to 64 bytes).

    Not for several threads at once: it remembers how the last mapping was compiled.
    """

    __slots__ = ("_compiled", "_field", "_key", "_mapping", "empty", "region")

    empty: bytes
    """The digest of an empty field."""

    def __init__(self, key: bytes, region: str = "") -> None:
        if len(key) < _SHORTEST_KEY:
            raise ValueError(f"a digest key has at least {_SHORTEST_KEY} bytes")
        self.region = region
        self._key = key
        # Copying a state that has read the key costs half of reading the key for each value.
        self._field = blake2b(key=key, digest_size=_DIGEST, person=b"field")
        self._mapping: FieldMapping | None = None
        self._compiled: tuple[tuple[RowKey, ValueKind, bytes, bytes], ...] = ()
        self.empty = self._field.digest()

    def __repr__(self) -> str:
        return f"Digester(region={self.region!r})"

    def digest_set(
        self, mapping: FieldMapping, values: Values, *, like: tuple[Values, DigestSet] | None = None
    ) -> DigestSet:
        """Digests of all rows of the mapping, the empty ones included.

        `like`: other values with their digests. Where a text is the same, its digest is taken from there.
        """
        if mapping is not self._mapping:
            self._compile(mapping)
        parts = [bytes((CANONICAL_VERSION,))]
        get, region, state = values.get, self.region, self._field
        other, made = (like[0].get, like[1].index) if like is not None else (_nothing, _NO_DIGESTS)
        for key, kind, name, when_empty in self._compiled:
            text = get(key)
            if text and other(key) == text and (known := made.get(name)) is not None:
                parts.append(name + known)
                continue
            plain = canonical(kind, text, region) if text else ""
            if not plain:
                parts.append(when_empty)
                continue
            digest = state.copy()
            digest.update(plain.encode("utf-8", "surrogatepass"))
            parts.append(name + digest.digest())
        return DigestSet._of(b"".join(parts))  # noqa: SLF001  the two classes of this module share the packed form

    def _compile(self, mapping: FieldMapping) -> None:
        rows = sorted(mapping.rows, key=lambda row: row.hash)
        self._compiled = tuple((row.key, row.kind, row.hash, row.hash + self.empty) for row in rows)
        self._mapping = mapping

    def field(self, row: MappingRow, value: str | None) -> bytes:
        """The digest of one row's value."""
        plain = canonical(row.kind, value, self.region) if value else ""
        if not plain:
            return self.empty
        digest = self._field.copy()
        digest.update(plain.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def match_keys(self, identity: Identity) -> tuple[MatchKey, ...]:
        """Keys by which this contact can be found, the best first.

        An address has the same digest whatever its kind, so that a strong key finds a weak one. A text without an
        `@` between two words ("n/a") identifies nobody.
        """
        keys = [
            MatchKey(kind, self._match(b"e", address))
            for kind, addresses in (
                (KeyKind.STRONG_EMAIL, identity.strong_emails),
                (KeyKind.WEAK_EMAIL, identity.weak_emails),
            )
            for text in addresses
            if _ADDRESS.fullmatch(address := fold(text)) is not None
        ]
        name = fold(identity.name)
        if name and identity.phones:
            numbers = (canonical_phone(phone, self.region) for phone in identity.phones)
            keys += [MatchKey(KeyKind.NAME_PHONE, self._match(b"p", f"{name}\n{n}")) for n in numbers if _telling(n)]
        return tuple(dict.fromkeys(keys))

    def _match(self, kind: bytes, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, key=self._key, digest_size=_KEY_DIGEST, person=b"match-" + kind).digest()


def _nothing(_: RowKey) -> None:
    """No value for any row."""


def _telling(number: str) -> bool:
    return sum(character.isdigit() for character in number) >= _FEWEST_DIGITS
