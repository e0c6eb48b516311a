"""The fields that can be mapped: what kind of value each holds, and how much of it.

Google's fields are fixed (People API, reference of the resource `people`; sizes: Contacts Help, "Import contacts":
1,024 characters for a field except notes). The CRM's are read from its own metadata for each organisation;
`STANDARD_CRM_FIELDS` is the standard layout, for a mapping made before any metadata is known
(Zoho CRM API v8, "Field meta data").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ValueKind(StrEnum):
    """What a value is: decides when two values count as equal, and what a side can hold."""

    TEXT = "text"
    MULTILINE = "multiline"
    EMAIL = "email"
    PHONE = "phone"
    DATE = "date"
    """`YYYY-MM-DD`; on Google also `--MM-DD`, `YYYY-MM`, `YYYY`."""
    DATETIME = "datetime"
    COMPANY = "company"
    """The name of a CRM account, linked by name."""
    PICKLIST = "picklist"
    MULTI_PICKLIST = "multi_picklist"
    """Several choices joined by `;`, in any order."""
    BOOLEAN = "boolean"
    NUMBER = "number"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmField:
    """A field of the CRM's contacts, as its metadata describes it. `max_length` is in characters."""

    api_name: str
    label: str
    kind: ValueKind = ValueKind.TEXT
    max_length: int | None = None
    writable: bool = True
    mandatory: bool = False
    custom: bool = False
    picklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleField:
    """A field of a Google person. `types` is None where entries have no type; else the types that Google names.

    A typed field takes any other type as well: it is shown as typed. `part` is the sub-field of a structured one.
    """

    field: str
    label: str
    part: str | None = None
    types: tuple[str, ...] | None = None
    kind: ValueKind = ValueKind.TEXT
    max_length: int = 1024

    @property
    def pattern(self) -> str:
        """The path with `*` for the type."""
        typed = "" if self.types is None else "[*]"
        return f"{self.field}{typed}" + (f".{self.part}" if self.part else "")


DISTINCT_LISTS: Final = frozenset({"email_addresses", "phone_numbers", "urls", "im_clients", "sip_addresses"})
"""Lists of a person in which one value under two types is a double: a number, but not a day of two anniversaries."""

NOTE_LENGTH: Final = 65_536
"""Characters of a note: Google publishes no number, a whole contact has 128 KB."""

_HOME_WORK: Final = ("work", "home", "other")
_PHONE_TYPES: Final = (
    *("work", "mobile", "home", "other", "main", "workFax", "homeFax", "otherFax"),
    *("pager", "workMobile", "workPager", "googleVoice", "assistant"),
)
_URL_TYPES: Final = ("homePage", "work", "home", "blog", "profile", "ftp", "reservations", "other")
_RELATION_TYPES: Final = (
    *("assistant", "manager", "spouse", "partner", "domesticPartner", "child", "mother", "father", "parent"),
    *("brother", "sister", "friend", "relative", "referredBy"),
)
_IM_PROTOCOLS: Final = ("skype", "googleTalk", "jabber", "aim", "msn", "yahoo", "qq", "icq", "netMeeting")
_ADDRESS_PARTS: Final = (
    ("street_address", "street", ValueKind.MULTILINE),
    ("extended_address", "address line 2", ValueKind.TEXT),
    ("po_box", "PO box", ValueKind.TEXT),
    ("city", "city", ValueKind.TEXT),
    ("region", "region", ValueKind.TEXT),
    ("postal_code", "postal code", ValueKind.TEXT),
    ("country", "country", ValueKind.TEXT),
)
_NAME_PARTS: Final = (
    ("given_name", "First name"),
    ("family_name", "Last name"),
    ("middle_name", "Middle name"),
    ("honorific_prefix", "Name prefix"),
    ("honorific_suffix", "Name suffix"),
    ("phonetic_given_name", "Phonetic first name"),
    ("phonetic_family_name", "Phonetic last name"),
)
_ORGANISATION_PARTS: Final = (
    ("name", "Company"),
    ("title", "Job title"),
    ("department", "Department"),
    ("job_description", "Job description"),
    ("location", "Office location"),
    ("symbol", "Ticker symbol"),
    ("domain", "Company domain"),
    ("cost_center", "Cost centre"),
)

GOOGLE_FIELDS: Final[tuple[GoogleField, ...]] = (
    *(GoogleField(field="names", part=part, label=label) for part, label in _NAME_PARTS),
    GoogleField(field="nicknames", label="Nickname"),
    GoogleField(field="email_addresses", label="E-mail", types=_HOME_WORK, kind=ValueKind.EMAIL),
    GoogleField(field="phone_numbers", label="Phone", types=_PHONE_TYPES, kind=ValueKind.PHONE),
    *(GoogleField(field="organizations", part=part, label=label) for part, label in _ORGANISATION_PARTS),
    *(
        GoogleField(field="addresses", part=part, label=f"Address, {label}", types=_HOME_WORK, kind=kind)
        for part, label, kind in _ADDRESS_PARTS
    ),
    GoogleField(field="birthdays", label="Birthday", kind=ValueKind.DATE),
    GoogleField(field="events", label="Date", types=("anniversary", "other"), kind=ValueKind.DATE),
    GoogleField(field="biographies", label="Notes", kind=ValueKind.MULTILINE, max_length=NOTE_LENGTH),
    GoogleField(field="urls", label="Website", types=_URL_TYPES, kind=ValueKind.URL),
    GoogleField(field="relations", label="Related person", types=_RELATION_TYPES),
    GoogleField(field="im_clients", label="Messenger", types=_IM_PROTOCOLS),
    GoogleField(field="sip_addresses", label="Internet call", types=("work", "home", "mobile", "other")),
    GoogleField(field="occupations", label="Occupation"),
    GoogleField(
        field="external_ids", label="External id", types=("account", "customer", "loginId", "network", "organization")
    ),
    GoogleField(field="user_defined", label="Custom field", types=()),
)
"""Every field of a person that a row can name. The type of `user_defined` is its key, of `im_clients` its protocol."""

_BY_FIELD_AND_PART: Final[Mapping[tuple[str, str | None], GoogleField]] = MappingProxyType(
    {(field.field, field.part): field for field in GOOGLE_FIELDS}
)


def google_field(field: str, part: str | None) -> GoogleField | None:
    """The catalogue's entry for a field and its part; None for one that cannot be mapped."""
    return _BY_FIELD_AND_PART.get((field, part))


def _crm(api_name: str, label: str, max_length: int | None, kind: ValueKind = ValueKind.TEXT) -> CrmField:
    return CrmField(api_name=api_name, label=label, max_length=max_length, kind=kind)


_CRM_ADDRESS_PARTS: Final = (("Street", 250), ("City", 30), ("State", 30), ("Zip", 30), ("Country", 30))

STANDARD_CRM_FIELDS: Final[Mapping[str, CrmField]] = MappingProxyType(
    {
        field.api_name: field
        for field in (
            CrmField(
                api_name="Salutation",
                label="Salutation",
                kind=ValueKind.PICKLIST,
                picklist=("Mr.", "Mrs.", "Ms.", "Dr.", "Prof."),
            ),
            _crm("First_Name", "First Name", 40),
            CrmField(api_name="Last_Name", label="Last Name", max_length=80, mandatory=True),
            _crm("Email", "Email", 100, ValueKind.EMAIL),
            _crm("Secondary_Email", "Secondary Email", 100, ValueKind.EMAIL),
            _crm("Phone", "Phone", 50, ValueKind.PHONE),
            _crm("Mobile", "Mobile", 30, ValueKind.PHONE),
            _crm("Home_Phone", "Home Phone", 30, ValueKind.PHONE),
            _crm("Other_Phone", "Other Phone", 30, ValueKind.PHONE),
            _crm("Fax", "Fax", 30),
            _crm("Account_Name", "Account Name", 120, ValueKind.COMPANY),
            _crm("Title", "Title", 100),
            _crm("Department", "Department", 50),
            *(
                _crm(f"{block}_{part}", f"{block} {part}", length)
                for block in ("Mailing", "Other")
                for part, length in _CRM_ADDRESS_PARTS
            ),
            _crm("Description", "Description", 32_000, ValueKind.MULTILINE),
            _crm("Date_of_Birth", "Date of Birth", None, ValueKind.DATE),
            _crm("Assistant", "Assistant", 50),
            _crm("Asst_Phone", "Asst Phone", 30, ValueKind.PHONE),
            _crm("Skype_ID", "Skype ID", 50),
            _crm("Twitter", "Twitter", 50),
        )
    }
)
"""The standard layout of contacts by API name."""
