"""How each person field that can be mapped looks in the API's JSON.

Source: People API v1, discovery document, schema `Person`; which keys are output only is said there key by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contactsync.domain.canonical import partial_date
from contactsync.errors import MappingError

_METADATA: Final = "metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One person field.

    `value` is the key that holds the text of a field without parts. `selector` is the key by which a path chooses
    among several entries (`phone_numbers[mobile]`: `type`). `derived` names, for a part that changes, keys beside it
    that Google computes from it unless they are sent, so that they must not be.
    """

    json_name: str
    value: str = ""
    selector: str = ""
    singleton: bool = False
    output_only: frozenset[str] = frozenset()
    derived: Mapping[str, tuple[str, ...]] | None = None
    fixed: Mapping[str, str] | None = None
    """Keys that an entry gets beside a value that is written."""
    without_value: frozenset[str] = frozenset({_METADATA, "type", "formattedType"})
    """Keys that make no value by themselves."""
    unlimited: bool = False
    """Whether Google's limit of 1,024 characters a field does not hold here (notes)."""

    def key_of(self, part: str | None) -> str:
        """The JSON key of a path's part, or of the field's one value."""
        return _camel(part) if part else self.value

    def derived_from(self, key: str) -> tuple[str, ...]:
        """Keys that must not be sent once `key` has changed."""
        derived = self.derived or {}
        return (*derived.get(key, ()), *derived.get("*", ()))

    def cleaned(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """`entry` as it may be sent back: without what Google alone writes, in the order it was read."""
        kept = {key: value for key, value in entry.items() if key != _METADATA and key not in self.output_only}
        if entry.get(_METADATA, {}).get("sourcePrimary"):
            kept[_METADATA] = {"sourcePrimary": True}
        return kept

    def holds_something(self, entry: Mapping[str, Any]) -> bool:
        """Whether `entry` has a value of its own: more than a label and what Google computes.

        An address that is nothing but a `formattedValue` holds nothing here: it was written as one text, and a part
        put into it would replace that text.
        """
        if self.value:
            return bool(entry.get(self.value))
        return any(value and key not in self.without_value for key, value in entry.items())


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


_FORMATTED: Final = frozenset({"formattedType"})

SHAPES: Final[Mapping[str, Shape]] = {
    "names": Shape(
        json_name="names",
        singleton=True,
        output_only=frozenset({"displayName", "displayNameLastFirst"}),
        derived={"*": ("unstructuredName",)},
    ),
    "nicknames": Shape(json_name="nicknames", value="value"),
    "email_addresses": Shape(json_name="emailAddresses", value="value", selector="type", output_only=_FORMATTED),
    "phone_numbers": Shape(
        json_name="phoneNumbers",
        value="value",
        selector="type",
        output_only=frozenset({"canonicalForm", "formattedType"}),
    ),
    "addresses": Shape(
        json_name="addresses",
        selector="type",
        output_only=_FORMATTED,
        derived={"*": ("formattedValue",), "country": ("countryCode",)},
        without_value=frozenset({_METADATA, "type", "formattedType", "formattedValue"}),
    ),
    "organizations": Shape(
        json_name="organizations",
        output_only=_FORMATTED,
        without_value=frozenset({_METADATA, "type", "formattedType", "current"}),
    ),
    "birthdays": Shape(json_name="birthdays", value="date", singleton=True, derived={"*": ("text",)}),
    "biographies": Shape(
        json_name="biographies",
        value="value",
        singleton=True,
        fixed={"contentType": "TEXT_PLAIN"},
        unlimited=True,
    ),
    "events": Shape(json_name="events", value="date", selector="type", output_only=_FORMATTED),
    "urls": Shape(json_name="urls", value="value", selector="type", output_only=_FORMATTED),
    "relations": Shape(json_name="relations", value="person", selector="type", output_only=_FORMATTED),
    "im_clients": Shape(
        json_name="imClients",
        value="username",
        selector="protocol",
        output_only=frozenset({"formattedType", "formattedProtocol"}),
    ),
    "sip_addresses": Shape(json_name="sipAddresses", value="value", selector="type", output_only=_FORMATTED),
    "external_ids": Shape(json_name="externalIds", value="value", selector="type", output_only=_FORMATTED),
    "occupations": Shape(json_name="occupations", value="value"),
    "user_defined": Shape(json_name="userDefined", value="value", selector="key"),
}
"""Person fields by their name in a mapping path."""

SHAPES_BY_JSON: Final[Mapping[str, Shape]] = {shape.json_name: shape for shape in SHAPES.values()}


def date_text(value: Mapping[str, Any] | None) -> str:
    """A `google.type.Date` as `YYYY-MM-DD`, `--MM-DD`, `YYYY-MM` or `YYYY`; empty for anything else."""
    if not value:
        return ""
    year, month, day = (int(value.get(key) or 0) for key in ("year", "month", "day"))
    if month and day:
        return f"{year:04d}-{month:02d}-{day:02d}" if year else f"--{month:02d}-{day:02d}"
    if year and not day:
        return f"{year:04d}-{month:02d}" if month else f"{year:04d}"
    return ""


def date_value(text: str) -> dict[str, int]:
    """`text`, in one of the forms of `date_text`, as a `google.type.Date`. Raises MappingError."""
    day = partial_date(text)
    if day is None:
        raise MappingError("not a date that Google can hold")
    keys = ("month", "day") if day.startswith("--") else ("year", "month", "day")
    return dict(zip(keys, map(int, day.removeprefix("--").split("-")), strict=False))
