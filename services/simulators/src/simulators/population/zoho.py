"""A simulated person as somebody would have typed him into the CRM."""

from __future__ import annotations

from typing import Any, Final

from simulators.population.person import Address, Person

_PHONES: Final = {"mobile": "Mobile", "work": "Phone", "home": "Home_Phone", "workFax": "Fax", "other": "Other_Phone"}
_SALUTATIONS: Final = frozenset({"Mr.", "Mrs.", "Ms.", "Dr.", "Prof."})
_LIMITS: Final = {"First_Name": 40, "Last_Name": 80, "Department": 50, "Title": 100, "Assistant": 50, "Skype_ID": 50}
_PART: Final = 30
_NAMELESS: Final = "-"


def to_zoho_record(person: Person) -> dict[str, Any]:
    """Field values by API name, without empty ones; `Account_Name` is the company's name.

    The CRM wants a `Last_Name`: where there is no family name, another name or address stands in.
    """
    record: dict[str, Any] = {
        "Salutation": person.prefix if person.prefix in _SALUTATIONS else "",
        "First_Name": person.given if person.family else "",
        "Last_Name": _last_name(person),
        "Account_Name": person.company,
        "Title": person.title,
        "Department": person.department,
        "Assistant": person.assistant,
        "Description": person.notes,
    }
    for (_, value), name in zip(person.emails, ("Email", "Secondary_Email"), strict=False):
        record[name] = value
    for kind, value in person.phones:
        record.setdefault(_PHONES[kind], value)
    for address in person.addresses:
        record |= _address(address)
    if person.birthday is not None and person.birthday[0] is not None:
        year, month, day = person.birthday
        record["Date_of_Birth"] = f"{year:04d}-{month:02d}-{day:02d}"
    if person.messengers:
        record["Skype_ID"] = person.messengers[0][1]
    return {name: value[: _LIMITS.get(name)] for name, value in record.items() if value}


def _last_name(person: Person) -> str:
    stand_ins = (
        person.family,
        person.given,
        person.nickname,
        person.company,
        *(value.partition("@")[0] for _, value in person.emails),
        *(value for _, value in person.phones),
    )
    return next((one for one in stand_ins if one.strip()), _NAMELESS)


def _address(address: Address) -> dict[str, str]:
    prefix = "Mailing" if address.kind == "work" else "Other"
    return {
        f"{prefix}_Street": address.street,
        f"{prefix}_City": address.city[:_PART],
        f"{prefix}_State": address.region[:_PART],
        f"{prefix}_Zip": address.postal_code[:_PART],
        f"{prefix}_Country": address.country[:_PART],
    }
