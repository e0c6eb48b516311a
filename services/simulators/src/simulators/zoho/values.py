"""Whether a value may be written to a field, and the form in which it is kept.

Sources: Zoho CRM API v8, "Insert records" (sample attributes by data type) and the field types of `settings/fields`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.errors import ItemError, bad_id
from simulators.zoho.fields import Field
from simulators.zoho.jsonvalue import Json
from simulators.zoho.organisation import Organisation

# An optional plus or bracket, then digits with the usual separators; an extension may follow.
_PHONE: Final = re.compile(r"(?=.*\d)[+(]?[0-9 .\-()/]+(([,;#]|[ ]?(x|ext\.?)[ ]?)[0-9 #*,;]+)?", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^\s@,;:<>()\[\]\\\"]{1,64}@(?:[\w](?:[\w-]*[\w])?\.)+[^\W\d_]{2,22}")
_DIGITS: Final = re.compile(r"-?\d+")


def invalid(one: Field, path: str, message: str = "invalid data", **details: object) -> ItemError:
    """INVALID_DATA for a value of that field, found at that place of the body."""
    shown = details or {"expected_data_type": one.data_type}
    return ItemError("INVALID_DATA", message, {**shown, "api_name": one.api_name, "json_path": path})


def kept(org: Organisation, one: Field, value: Json, path: str) -> Json:
    """The value as the store keeps it; None when the write empties the field. Raises ItemError."""
    if value is None or (value == "" and one.json_type == "string"):
        return None
    if one.data_type in {"lookup", "ownerlookup"}:
        return _target(org, one, value, path)
    check = _CHECKS.get(one.data_type, _text)
    return check(one, value, path)


def _text(one: Field, value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(one, path, expected_data_type=one.data_type)
    if len(value) > one.length:
        raise invalid(one, path, maximum_length=one.length)
    return value


def _matching(pattern: re.Pattern[str]) -> Callable[[Field, Any, str], str]:
    def check(one: Field, value: Json, path: str) -> str:
        text = _text(one, value, path)
        if not pattern.fullmatch(text):
            raise invalid(one, path, expected_data_type=one.data_type)
        return text

    return check


def _date(one: Field, value: Json, path: str) -> str:
    if not isinstance(value, str) or times.parse_date(value) is None:
        raise invalid(one, path, expected_data_type="date")
    return value


def _datetime(one: Field, value: Json, path: str) -> int:
    moment = times.parse(value) if isinstance(value, str) else None
    if moment is None:
        raise invalid(one, path, expected_data_type="datetime")
    return moment


def _boolean(one: Field, value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(one, path, expected_data_type="boolean")
    return value


def _integer(one: Field, value: Json, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(one, path, expected_data_type="integer")
    if len(str(abs(value))) > one.length:
        raise invalid(one, path, maximum_length=one.length)
    return value


def _double(one: Field, value: Json, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(one, path, expected_data_type="double")
    return float(value)


def _bigint(one: Field, value: Json, path: str) -> str:
    text = str(value)
    if isinstance(value, bool | float) or not _DIGITS.fullmatch(text) or len(text.lstrip("-")) > one.length:
        raise invalid(one, path, expected_data_type="bigint")
    return text


def _choice(one: Field, value: Json, path: str) -> str | None:
    text = _text(one, value, path)
    if one.strict and text not in one.choices:
        raise invalid(one, path, supported_values=list(one.choices))
    return None if text == "-None-" else text


def _choices(one: Field, value: Json, path: str) -> list[str] | None:
    if not isinstance(value, list):
        raise invalid(one, path, expected_data_type="jsonarray")
    for number, entry in enumerate(value):
        if not isinstance(entry, str) or (one.strict and entry not in one.choices):
            raise invalid(one, f"{path}[{number}]", supported_values=list(one.choices))
    return list(dict.fromkeys(value)) or None


_CHECKS: Final[dict[str, Callable[[Field, Any, str], Any]]] = {
    "phone": _matching(_PHONE),
    "email": _matching(_EMAIL),
    "date": _date,
    "datetime": _datetime,
    "boolean": _boolean,
    "integer": _integer,
    "double": _double,
    "currency": _double,
    "percent": _double,
    "bigint": _bigint,
    "picklist": _choice,
    "multiselectpicklist": _choices,
}


def _target(org: Organisation, one: Field, value: Json, path: str) -> str:
    target = value.get("id") if isinstance(value, dict) else value
    if isinstance(target, int) and not isinstance(target, bool):
        target = str(target)
    if not isinstance(target, str) or not target.isdigit():
        raise invalid(one, path, expected_data_type="jsonobject" if not isinstance(value, dict) else "bigint")
    known = target in org.users if one.lookup is None else org.stores[one.lookup].get(target) is not None
    if not known:
        raise bad_id(f"{path}.id" if isinstance(value, dict) else path)
    return target
