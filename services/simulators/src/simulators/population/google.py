"""A simulated person as the body of a People API create."""

from __future__ import annotations

from typing import Any

from simulators.population.person import Address, Person


def to_google_person(person: Person) -> dict[str, Any]:
    """A `Person` message with the fields that somebody could have typed in, without empty lists."""
    entries: dict[str, list[dict[str, Any]]] = {
        "names": [_without_empty(givenName=person.given, familyName=person.family, honorificPrefix=person.prefix)],
        "nicknames": [_without_empty(value=person.nickname)],
        "organizations": [_without_empty(name=person.company, title=person.title, department=person.department)],
        "emailAddresses": [{"value": value, "type": kind} for kind, value in person.emails],
        "phoneNumbers": [{"value": value, "type": kind} for kind, value in person.phones],
        "addresses": [_address(one) for one in person.addresses],
        "birthdays": [] if person.birthday is None else [{"date": _date(person.birthday)}],
        "biographies": [] if not person.notes else [{"value": person.notes, "contentType": "TEXT_PLAIN"}],
        "relations": [] if not person.assistant else [{"person": person.assistant, "type": "assistant"}],
        "imClients": [{"username": value, "protocol": kind} for kind, value in person.messengers],
        "urls": [{"value": value, "type": "homePage"} for value in person.websites],
        "userDefined": [{"key": key, "value": value} for key, value in person.custom],
    }
    filled = {name: [one for one in values if one] for name, values in entries.items()}
    return {name: values for name, values in filled.items() if values}


def _without_empty(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _address(one: Address) -> dict[str, str]:
    parts = _without_empty(
        streetAddress=one.street, city=one.city, region=one.region, postalCode=one.postal_code, country=one.country
    )
    return {"type": one.kind, **parts}


def _date(birthday: tuple[int | None, int, int]) -> dict[str, int]:
    year, month, day = birthday
    return {"month": month, "day": day} | ({} if year is None else {"year": year})
