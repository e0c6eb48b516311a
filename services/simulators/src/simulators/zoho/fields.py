"""The fields of the simulated modules: names, types, lengths and flags of a standard organisation.

Sources: Zoho CRM API v8, `GET /settings/fields`, and the public list of default fields of Contacts and
Accounts. Lengths are the defaults; an organisation may change them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

JSON_TYPES: Final = {
    "bigint": "string",
    "integer": "integer",
    "double": "double",
    "currency": "double",
    "percent": "double",
    "boolean": "boolean",
    "multiselectpicklist": "jsonarray",
    "ownerlookup": "jsonobject",
    "lookup": "jsonobject",
}
DEFAULT_LENGTHS: Final = {
    "text": 255,
    "textarea": 2000,
    "email": 100,
    "phone": 30,
    "website": 450,
    "integer": 9,
    "bigint": 18,
    "double": 16,
    "currency": 16,
    "percent": 5,
    "date": 20,
    "datetime": 20,
    "boolean": 5,
    "picklist": 120,
    "multiselectpicklist": 5500,
    "lookup": 120,
    "ownerlookup": 120,
    "profileimage": 255,
}
_AREAS: Final = (("small", 2000), ("large", 32_000))
LISTED_RICH_TEXT: Final = 500
"""Characters that a list shows of a rich text; reading the one record shows it whole."""
CUSTOM_TYPES: Final = frozenset(DEFAULT_LENGTHS) - {"ownerlookup", "profileimage", "lookup"} | {"lookup", "autonumber"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a module.

    `mandatory` is the system flag, which applies to every create; `unique` makes a second record
    with the same value a DUPLICATE_DATA; `strict` refuses values outside `choices`.
    """

    api_name: str
    label: str
    data_type: str
    length: int
    id: str = ""
    mandatory: bool = False
    unique: bool = False
    read_only: bool = False
    custom: bool = False
    visible: bool = True
    strict: bool = False
    choices: tuple[str, ...] = ()
    lookup: str | None = None

    @property
    def json_type(self) -> str:
        """The JSON type in which values travel."""
        return JSON_TYPES.get(self.data_type, "string")

    @property
    def area(self) -> str | None:
        """The kind of a text area, told by its length; None for any other field."""
        if self.data_type != "textarea":
            return None
        return next((kind for kind, most in _AREAS if self.length <= most), "rich_text")


def _text(api_name: str, label: str, length: int = 30) -> Field:
    return Field(api_name, label, "text", length)


def _phone(api_name: str, label: str, length: int = 30) -> Field:
    return Field(api_name, label, "phone", length)


def _system(api_name: str, label: str, data_type: str) -> Field:
    return Field(api_name, label, data_type, DEFAULT_LENGTHS[data_type], read_only=True)


def _address(prefix: str) -> tuple[Field, ...]:
    parts = ("City", "State", "Zip", "Country")
    street = _text(f"{prefix}_Street", f"{prefix} Street", 250)
    return (street, *(_text(f"{prefix}_{part}", f"{prefix} {part}") for part in parts))


_SOURCES: Final = ("-None-", "Advertisement", "Cold Call", "Employee Referral", "Partner", "Trade Show", "Web Download")
_SYSTEM: Final = (
    Field("id", "Record Id", "bigint", 19, read_only=True),
    _system("Created_By", "Created By", "ownerlookup"),
    _system("Modified_By", "Modified By", "ownerlookup"),
    _system("Created_Time", "Created Time", "datetime"),
    _system("Modified_Time", "Modified Time", "datetime"),
    _system("Last_Activity_Time", "Last Activity Time", "datetime"),
    _system("Locked__s", "Locked", "boolean"),
    Field(
        "Record_Status__s", "Record Status", "picklist", 120, read_only=True, choices=("Available", "Draft", "Trash")
    ),
)
_OWNER: Final = Field("Owner", "Owner", "ownerlookup", 120)

CONTACTS: Final[tuple[Field, ...]] = (
    replace(_OWNER, label="Contact Owner"),
    Field(
        "Salutation",
        "Salutation",
        "picklist",
        120,
        strict=True,
        choices=("-None-", "Mr.", "Mrs.", "Ms.", "Dr.", "Prof."),
    ),
    _text("First_Name", "First Name", 40),
    replace(_text("Last_Name", "Last Name", 80), mandatory=True),
    replace(_text("Full_Name", "Full Name", 80), read_only=True),
    Field("Account_Name", "Account Name", "lookup", 120, lookup="Accounts"),
    Field("Email", "Email", "email", 100),
    Field("Secondary_Email", "Secondary Email", "email", 100),
    _text("Title", "Title", 100),
    _text("Department", "Department", 50),
    _phone("Phone", "Phone", 50),
    _phone("Mobile", "Mobile"),
    _phone("Home_Phone", "Home Phone"),
    _phone("Other_Phone", "Other Phone"),
    _phone("Asst_Phone", "Asst Phone"),
    _text("Fax", "Fax"),
    _text("Assistant", "Assistant", 50),
    Field("Date_of_Birth", "Date of Birth", "date", 20),
    Field("Lead_Source", "Lead Source", "picklist", 120, choices=_SOURCES),
    Field("Reporting_To", "Reporting To", "lookup", 120, lookup="Contacts"),
    Field("Email_Opt_Out", "Email Opt Out", "boolean", 5),
    _text("Skype_ID", "Skype ID", 50),
    _text("Twitter", "Twitter", 50),
    *_address("Mailing"),
    *_address("Other"),
    Field("Description", "Description", "textarea", 32000),
    Field("Record_Image", "Contact Image", "profileimage", 255, read_only=True),
    *_SYSTEM,
)
ACCOUNTS: Final[tuple[Field, ...]] = (
    replace(_OWNER, label="Account Owner"),
    replace(_text("Account_Name", "Account Name", 200), mandatory=True),
    _phone("Phone", "Phone"),
    _text("Fax", "Fax"),
    Field("Website", "Website", "website", 450),
    _text("Industry", "Industry", 120),
    Field("Parent_Account", "Parent Account", "lookup", 120, lookup="Accounts"),
    *_address("Billing"),
    *_address("Shipping"),
    Field("Description", "Description", "textarea", 32000),
    *_SYSTEM,
)
MODULES: Final = {"Contacts": CONTACTS, "Accounts": ACCOUNTS}
NAME_FIELDS: Final = {"Contacts": "Full_Name", "Accounts": "Account_Name"}
SYSTEM_DUPLICATE_FIELDS: Final = {"Contacts": "Email", "Accounts": "Account_Name"}


@dataclass(slots=True)
class FieldSet:
    """The fields of one module of one organisation, by API name."""

    by_name: dict[str, Field] = field(default_factory=dict)

    def put(self, one: Field) -> None:
        """Add the field or replace the one of its name."""
        self.by_name[one.api_name] = one

    def get(self, api_name: str) -> Field | None:
        """The field of that API name, or None."""
        return self.by_name.get(api_name)

    def unique(self) -> list[Field]:
        """Fields that two records must not share."""
        return [one for one in self.by_name.values() if one.unique]

    def mandatory(self) -> list[Field]:
        """Fields without which no record is created."""
        return [one for one in self.by_name.values() if one.mandatory]
