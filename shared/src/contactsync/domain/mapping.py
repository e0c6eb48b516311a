"""Which CRM field belongs to which field of a Google person: rows, their paths, and the whole mapping.

A row is named by both its fields (`Mobile=phone_numbers[mobile]`), so a row whose field is changed is another row and
has no base. The row that identifies contacts (`Email` with `email_addresses[work]`) belongs to every mapping.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from contactsync.domain.catalogue import (
    DISTINCT_LISTS,
    STANDARD_CRM_FIELDS,
    CrmField,
    GoogleField,
    ValueKind,
    google_field,
)
from contactsync.domain.contact import Side
from contactsync.domain.ids import RowKey
from contactsync.errors import Disposition, MappingError

if TYPE_CHECKING:
    # `policy` holds a mapping; the direction it adds is needed here by its one method alone.
    from contactsync.domain.policy import Direction

MAX_ROWS: Final = 45
"""The CRM lists at most 50 fields in a call, and some are needed beside these (Zoho CRM API v8, "Get records")."""
MATCH_CRM_FIELD: Final = "Email"
MATCH_GOOGLE_FIELD: Final = "email_addresses[work]"
LAST_NAME: Final = "Last_Name"

_PATH: Final = re.compile(r"([a-z_]+)(?:\[(.*)\])?(?:\.([a-z_]+))?", re.DOTALL)
_CRM_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_$]{0,99}")
_MAX_TYPE_LENGTH: Final = 100


class RowDirection(StrEnum):
    """A row narrowed to one direction."""

    CRM_TO_GOOGLE = "crm_to_google"
    GOOGLE_TO_CRM = "google_to_crm"


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """What is wrong with a row (counted from 0; None: with the whole), as a stable code and a sentence."""

    row: int | None
    code: str
    message: str


class InvalidMappingError(MappingError):
    """A mapping cannot be used; `problems` lists every reason."""

    disposition = Disposition.FAIL_RUN
    reason = "invalid_mapping"

    def __init__(self, problems: Iterable[MappingProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(_located(problem) for problem in self.problems),
            details={"problems": [{"row": p.row, "code": p.code, "message": p.message} for p in self.problems]},
        )


def _located(problem: MappingProblem) -> str:
    return problem.message if problem.row is None else f"row {problem.row}: {problem.message}"


@dataclass(frozen=True, slots=True)
class GooglePath:
    """A place in a Google person: `names.given_name`, `phone_numbers[mobile]`, `addresses[work].city`, `birthdays`.

    `type` is the entry's type as Google names it (`workFax`), the protocol of `im_clients`, the key of `user_defined`.
    """

    field: str
    type: str | None = None
    part: str | None = None
    text: str = dataclasses.field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        typed = "" if self.type is None else f"[{self.type}]"
        object.__setattr__(self, "text", f"{self.field}{typed}" + (f".{self.part}" if self.part else ""))

    @staticmethod
    def parse(text: str) -> GooglePath:
        """The path written as `text`. Raises ValueError, saying what is wrong with it."""
        return _parse_path(text)

    def __str__(self) -> str:
        return self.text

    @property
    def distinct(self) -> bool:
        """Whether a value stands in this list once, whatever its type."""
        return self.field in DISTINCT_LISTS

    @property
    def catalogued(self) -> GoogleField:
        """The catalogue's entry for this path."""
        found = google_field(self.field, self.part)
        if found is None:
            raise ValueError(f"{self} is no Google field that can be mapped")
        return found


@lru_cache(maxsize=1024)
def _parse_path(text: str) -> GooglePath:
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no path like names.given_name or phone_numbers[mobile]")
    name, kind, part = match.groups()
    known = google_field(name, part)
    if known is None:
        raise ValueError(f"{text!r} is no Google field that can be mapped")
    if known.types is None and kind is not None:
        raise ValueError(f"{name} has no types")
    if known.types is not None and (kind is None or not kind.strip() or len(kind) > _MAX_TYPE_LENGTH):
        raise ValueError(f"{name} needs a type in brackets, of up to {_MAX_TYPE_LENGTH} characters")
    return GooglePath(name, kind, part)


def google_kind(path: GooglePath) -> ValueKind:
    """What kind of value Google holds at this path."""
    return path.catalogued.kind


def row_kind(crm: ValueKind, google: ValueKind) -> ValueKind | None:
    """The kind by which values of a row are compared; None when the two fields do not go together.

    The stricter kind wins: a fax number is text to the CRM and a phone number to Google.
    """
    if crm is google:
        return crm
    if google in {ValueKind.TEXT, ValueKind.MULTILINE}:
        return google if crm is ValueKind.TEXT else crm
    return google if crm in {ValueKind.TEXT, ValueKind.MULTILINE} else None


@lru_cache(maxsize=4096)
def row_hash(key: RowKey) -> bytes:
    """The four bytes by which a row is named inside a digest set."""
    return blake2b(key.encode(), digest_size=4).digest()


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One pair of fields.

    `kind` is how values are compared, `crm_kind` what the CRM's own field holds (a fax number is text there).
    A `direction` narrows the row; fields that the CRM does not let be written flow to Google alone.
    """

    crm_field: str
    google_field: GooglePath
    direction: RowDirection | None = None
    kind: ValueKind = ValueKind.TEXT
    crm_max_length: int | None = None
    crm_writable: bool = True
    picklist: tuple[str, ...] = ()
    crm_kind: ValueKind | None = None
    crm_mandatory: bool = False
    key: RowKey = field(init=False, compare=False)
    hash: bytes = field(init=False, compare=False, repr=False)
    open_to_crm: bool = field(init=False, compare=False, repr=False)
    """Whether the row itself lets values into the CRM."""
    open_to_google: bool = field(init=False, compare=False, repr=False)
    google_max_length: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        key = RowKey(f"{self.crm_field}={self.google_field}")
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "hash", row_hash(key))
        to_crm = self.direction is not RowDirection.CRM_TO_GOOGLE and self.crm_writable
        object.__setattr__(self, "open_to_crm", to_crm)
        object.__setattr__(self, "open_to_google", self.direction is not RowDirection.GOOGLE_TO_CRM)
        object.__setattr__(self, "google_max_length", self.google_field.catalogued.max_length)

    @staticmethod
    def of(crm: CrmField, google: GooglePath, direction: RowDirection | None = None) -> MappingRow:
        """The row for a CRM field as its metadata describes it. Raises ValueError when the two do not go together."""
        return _row_of(crm, google, direction)

    def flows_to(self, side: Side, direction: Direction) -> bool:
        """Whether values of this row may be written to `side` in a configuration of this direction."""
        return direction.writes(side) and (self.open_to_crm if side is Side.CRM else self.open_to_google)

    def to_json(self) -> dict[str, object]:
        """The row as JSON, with what is known of the CRM's field."""
        return {
            "crm_field": self.crm_field,
            "google_field": str(self.google_field),
            "direction": self.direction and self.direction.value,
            "kind": self.kind.value,
            "crm_max_length": self.crm_max_length,
            "crm_writable": self.crm_writable,
            "picklist": list(self.picklist),
            "crm_kind": self.crm_kind and self.crm_kind.value,
            "crm_mandatory": self.crm_mandatory,
        }


@lru_cache(maxsize=4096)
def _row_of(crm: CrmField, google: GooglePath, direction: RowDirection | None) -> MappingRow:
    """The row; most organisations have the same fields, and each save goes through all of them."""
    kind = row_kind(crm.kind, google_kind(google))
    if kind is None:
        raise ValueError(f"{crm.api_name} ({crm.kind}) cannot be kept in {google} ({google_kind(google)})")
    return MappingRow(
        crm_field=crm.api_name,
        google_field=google,
        direction=direction,
        kind=kind,
        crm_max_length=crm.max_length,
        crm_writable=crm.writable,
        picklist=crm.picklist,
        crm_kind=crm.kind,
        crm_mandatory=crm.mandatory or crm.api_name == LAST_NAME,
    )


class Mapping:
    """All rows of a configuration, in their order. Immutable; equal when the rows are.

    Raises InvalidMappingError, listing every problem, for more than 45 rows, a CRM or Google field used twice, or a
    missing match pair.
    """

    __slots__ = ("_by_crm", "_by_google", "_by_hash", "_by_key", "_hash", "rows")

    rows: tuple[MappingRow, ...]

    def __init__(self, rows: Iterable[MappingRow]) -> None:
        self.rows = tuple(rows)
        problems = list(_problems(self.rows))
        if problems:
            raise InvalidMappingError(problems)
        self._by_key: MappingABC[RowKey, MappingRow] = MappingProxyType({row.key: row for row in self.rows})
        self._by_hash = {row.hash: row for row in self.rows}
        self._by_crm = {row.crm_field: row for row in self.rows}
        self._by_google = {str(row.google_field): row for row in self.rows}
        self._hash = hash(self.rows)

    def __iter__(self) -> Iterator[MappingRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Mapping) and self.rows == other.rows)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Mapping({len(self.rows)} rows)"

    @property
    def by_key(self) -> MappingABC[RowKey, MappingRow]:
        """Rows by key."""
        return self._by_key

    def by_hash(self, row_hash: bytes) -> MappingRow | None:
        """The row with this hash, if the mapping has it."""
        return self._by_hash.get(row_hash)

    @property
    def companies(self) -> tuple[MappingRow, ...]:
        """The rows that link accounts of the CRM by name."""
        return tuple(row for row in self.rows if ValueKind.COMPANY in {row.kind, row.crm_kind})

    def by_crm(self, api_name: str) -> MappingRow | None:
        """The row of a CRM field, if it is mapped."""
        return self._by_crm.get(api_name)

    def by_google(self, path: str) -> MappingRow | None:
        """The row of a Google path written as text, if it is mapped."""
        return self._by_google.get(path)

    def to_json(self) -> list[dict[str, object]]:
        """The rows as JSON, complete enough for `from_json`."""
        return [row.to_json() for row in self.rows]

    @classmethod
    def from_json(cls, rows: Iterable[MappingABC[str, object]]) -> Mapping:
        """The mapping that `to_json` wrote. Raises InvalidMappingError."""
        return cls(_collect(rows, _row_from_json))

    @classmethod
    def build(cls, rows: Iterable[MappingABC[str, object]], fields: MappingABC[str, CrmField]) -> Mapping:
        """A mapping as a person wrote it: `crm_field`, `google_field`, perhaps `direction`, for these CRM fields.

        The two rows that every contact needs, the match pair and the last name, are added where their fields are
        free. Raises InvalidMappingError.
        """

        def named(row: MappingABC[str, object]) -> MappingRow:
            crm = fields.get(str(row.get("crm_field", "")))
            if crm is None:
                raise ValueError(f"the CRM has no field {row.get('crm_field')!r}")
            return MappingRow.of(crm, GooglePath.parse(str(row.get("google_field", ""))), _direction(row))

        return cls(_with_needed(_collect(rows, named), fields))


def _collect(
    rows: Iterable[MappingABC[str, object]], read: Callable[[MappingABC[str, object]], MappingRow]
) -> list[MappingRow]:
    found: list[MappingRow] = []
    problems: list[MappingProblem] = []
    for number, row in enumerate(rows):
        try:
            found.append(read(row))
        except ValueError as error:
            problems.append(MappingProblem(number, "invalid_row", str(error)))
    if problems:
        raise InvalidMappingError(problems)
    return found


def _row_from_json(row: MappingABC[str, object]) -> MappingRow:
    length, choices, crm_kind = row.get("crm_max_length"), row.get("picklist", ()), row.get("crm_kind")
    if length is not None and not isinstance(length, int):
        raise ValueError("crm_max_length is a whole number or null")
    if not isinstance(choices, (list, tuple)):
        raise ValueError("picklist is a list")  # noqa: TRY004  all that is wrong with a row is one kind of error
    return MappingRow(
        crm_field=str(row.get("crm_field", "")),
        google_field=GooglePath.parse(str(row.get("google_field", ""))),
        direction=_direction(row),
        kind=ValueKind(str(row.get("kind", ValueKind.TEXT))),
        crm_max_length=length,
        crm_writable=bool(row.get("crm_writable", True)),
        picklist=tuple(str(choice) for choice in choices),
        crm_kind=ValueKind(str(crm_kind)) if crm_kind else None,
        crm_mandatory=bool(row.get("crm_mandatory")),
    )


def _direction(row: MappingABC[str, object]) -> RowDirection | None:
    direction = row.get("direction")
    return RowDirection(str(direction)) if direction and direction != "two_way" else None


def _with_needed(rows: list[MappingRow], fields: MappingABC[str, CrmField]) -> list[MappingRow]:
    crm, google = {row.crm_field for row in rows}, {str(row.google_field) for row in rows}
    for api_name, path in ((MATCH_CRM_FIELD, MATCH_GOOGLE_FIELD), (LAST_NAME, "names.family_name")):
        if api_name not in crm and path not in google:
            known = fields.get(api_name, STANDARD_CRM_FIELDS[api_name])
            rows.append(MappingRow.of(known, GooglePath.parse(path)))
    return rows


def _problems(rows: tuple[MappingRow, ...]) -> Iterator[MappingProblem]:
    if len(rows) > MAX_ROWS:
        yield MappingProblem(None, "too_many_rows", f"{len(rows)} rows; at most {MAX_ROWS} fields can be mapped")
    seen_crm: set[str] = set()
    seen_google: set[str] = set()
    seen_hashes: set[bytes] = set()
    for number, row in enumerate(rows):
        path = str(row.google_field)
        if _CRM_NAME.fullmatch(row.crm_field) is None:
            yield MappingProblem(number, "unknown_crm_field", f"{row.crm_field!r} is no CRM field")
        if row.crm_field in seen_crm:
            yield MappingProblem(number, "crm_field_twice", f"{row.crm_field} is mapped twice")
        if path in seen_google:
            yield MappingProblem(number, "google_field_twice", f"{path} is mapped twice")
        elif row.crm_field not in seen_crm and row.hash in seen_hashes:
            yield MappingProblem(number, "hash_collision", f"{row.key} cannot be told from another row")
        if not row.open_to_crm and not row.open_to_google:
            yield MappingProblem(number, "no_direction", f"{row.crm_field} is read-only and may only flow to Google")
        seen_crm.add(row.crm_field)
        seen_google.add(path)
        seen_hashes.add(row.hash)
    if not any(row.crm_field == MATCH_CRM_FIELD and str(row.google_field) == MATCH_GOOGLE_FIELD for row in rows):
        message = f"contacts are recognised by {MATCH_CRM_FIELD} and {MATCH_GOOGLE_FIELD}: map these two together"
        yield MappingProblem(None, "match_pair_missing", message)


def crm_only_key(api_name: str) -> RowKey:
    """The key of a value for a CRM field that is in no row (a preset value of new records)."""
    return RowKey(f"{api_name}=")


def crm_field_of(key: RowKey) -> str:
    """The CRM field that a key names, in a row or alone."""
    return key.partition("=")[0]


# --- proposals ------------------------------------------------------------------------------------------------------

_DEFAULT_PAIRS: Final = (
    ("Salutation", "names.honorific_prefix"),
    ("First_Name", "names.given_name"),
    ("Last_Name", "names.family_name"),
    ("Email", "email_addresses[work]"),
    ("Secondary_Email", "email_addresses[home]"),
    ("Phone", "phone_numbers[work]"),
    ("Mobile", "phone_numbers[mobile]"),
    ("Home_Phone", "phone_numbers[home]"),
    ("Other_Phone", "phone_numbers[other]"),
    ("Fax", "phone_numbers[workFax]"),
    ("Account_Name", "organizations.name"),
    ("Title", "organizations.title"),
    ("Department", "organizations.department"),
    ("Mailing_Street", "addresses[work].street_address"),
    ("Mailing_City", "addresses[work].city"),
    ("Mailing_State", "addresses[work].region"),
    ("Mailing_Zip", "addresses[work].postal_code"),
    ("Mailing_Country", "addresses[work].country"),
    ("Other_Street", "addresses[home].street_address"),
    ("Other_City", "addresses[home].city"),
    ("Other_State", "addresses[home].region"),
    ("Other_Zip", "addresses[home].postal_code"),
    ("Other_Country", "addresses[home].country"),
)
_MORE_PAIRS: Final = (
    ("Description", "biographies"),
    ("Date_of_Birth", "birthdays"),
    ("Assistant", "relations[assistant]"),
    ("Asst_Phone", "phone_numbers[assistant]"),
    ("Skype_ID", "im_clients[skype]"),
    ("Twitter", "urls[profile]"),
)


def default_mapping(fields: MappingABC[str, CrmField] | None = None) -> Mapping:
    """Names, e-mails, phones, company, title, department and addresses, as far as the CRM has these fields.

    Without metadata the standard layout is assumed; the match pair and the last name are always there.
    """
    known = STANDARD_CRM_FIELDS if fields is None else fields
    return _default_of(tuple(known[api_name] for api_name, _ in _DEFAULT_PAIRS if api_name in known))


@lru_cache(maxsize=256)
def _default_of(fields: tuple[CrmField, ...]) -> Mapping:
    """The default mapping of these fields; most organisations have the same, and most saves take it."""
    known = {field.api_name: field for field in fields}
    return Mapping(_with_needed(list(_proposed(_DEFAULT_PAIRS, known)), known))


def mappable(fields: MappingABC[str, CrmField] | None = None) -> tuple[MappingRow, ...]:
    """The rows that "map more fields" proposes: notes, birthday, assistant, messenger, and each custom field.

    A custom field is kept in Google's custom field of its label, which keeps its name on phones. Any other pair of
    fields that go together may be mapped as well.
    """
    known = STANDARD_CRM_FIELDS if fields is None else fields
    custom = [(field.api_name, f"user_defined[{field.label}]") for field in known.values() if field.custom]
    return tuple(_proposed((*_MORE_PAIRS, *custom), known))


def _proposed(pairs: Iterable[tuple[str, str]], fields: MappingABC[str, CrmField]) -> Iterator[MappingRow]:
    for api_name, path in pairs:
        crm = fields.get(api_name)
        google = GooglePath.parse(path)
        if crm is not None and row_kind(crm.kind, google_kind(google)) is not None:
            yield MappingRow.of(crm, google)
