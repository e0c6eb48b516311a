"""What travels about views, groups and fields."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from config_api.configurations.schemas import MappingRowBody
from config_api.web.texts import Text
from contactsync.domain.catalogue import ValueKind


class ReadFromProvider(BaseModel):
    """A list with its age."""

    read_at: datetime = Field(description="When the provider was asked; `fresh=true` asks it again")


class View(BaseModel):
    """A list view of the CRM's contacts."""

    id: str = Field(examples=["5545974000000087501"])
    name: str = Field(examples=["All Contacts"])
    category: str = Field("", examples=["created_by_me"])
    default: bool
    changes_by_the_hour: bool | None = Field(
        description="Whether its contacts change with time alone, so that each sync reads it anew; null: not asked, "
        "which the CRM is for 50 views of a list"
    )


class ViewList(ReadFromProvider):
    """The list views that the caller may use."""

    items: list[View]


class ViewAnswer(ReadFromProvider, View):
    """One list view."""


class CrmFieldItem(BaseModel):
    """A field of the CRM's contacts."""

    api_name: str = Field(examples=["Mobile"])
    label: str = Field(examples=["Mobile"])
    type: ValueKind
    max_length: int | None
    writable: bool = Field(description="A field that is not can be mapped towards Google alone")
    mandatory: bool
    custom: bool
    choices: list[str] = []


class CrmFieldList(ReadFromProvider):
    """The fields that can be mapped."""

    items: list[CrmFieldItem]


class GroupItem(BaseModel):
    """A contact group of the Google account."""

    id: str = Field(examples=["contactGroups/63f8c1a20c8e3a5b"])
    name: str = Field(description="As the account shows it", examples=["Customers"])
    system: bool = Field(description="`My Contacts`, `Starred` and all contacts: people whom nobody chose for the CRM")
    contacts: int


class GroupList(ReadFromProvider):
    """The groups that contacts can be put into."""

    items: list[GroupItem]


class NewGroup(BaseModel):
    """A group to be made."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Text = Field(min_length=1, max_length=100, examples=["Customers"])


class GoogleFieldItem(BaseModel):
    """A field of a Google contact."""

    path: str = Field(description="`*` stands for a type", examples=["phone_numbers[*]"])
    label: str
    type: ValueKind
    types: list[str] | None = Field(description="Types that Google names; any other text is taken too. null: none")
    max_length: int


class GoogleFieldList(BaseModel):
    """Every field that can be mapped; the same for all accounts."""

    items: list[GoogleFieldItem]


class DefaultMapping(ReadFromProvider):
    """The mapping to begin with, and the rows that "map more fields" proposes."""

    mapping: list[MappingRowBody]
    more: list[MappingRowBody]
