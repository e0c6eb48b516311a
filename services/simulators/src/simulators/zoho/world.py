"""All that the simulated vendor holds: organisations in their data centres and the accounts server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from simulators.bench import Bench
from simulators.zoho import times
from simulators.zoho.accounts import AccountsServer, Client
from simulators.zoho.bulk_jobs import BulkJobs
from simulators.zoho.fields import CUSTOM_TYPES, DEFAULT_LENGTHS, MODULES, Field, FieldSet
from simulators.zoho.jsonvalue import Json
from simulators.zoho.organisation import (
    PERMISSIONS,
    PROFILE_READ,
    CustomView,
    License,
    Organisation,
    Profile,
    Role,
    User,
)
from simulators.zoho.paging import PageTokens
from simulators.zoho.records import RecordStore
from simulators.zoho.settings import ZohoSettings
from simulators.zoho.watch import Channels

DATA_CENTRES: Final = ("us", "eu", "in", "au", "cn", "jp", "ca", "sa", "uk")
_FIRST_ORG: Final = 4_876_876
_IDS_OF_AN_ORG: Final = 10**12


@dataclass(slots=True)
class World:
    """The vendor's whole state; `bench` gives it clock, settings and random."""

    bench: Bench[ZohoSettings]
    accounts: AccountsServer
    organisations: dict[str, Organisation] = field(default_factory=dict)
    page_tokens: PageTokens = field(default_factory=PageTokens)
    channels: Channels = field(default_factory=Channels)
    bulk: BulkJobs = field(default_factory=BulkJobs)
    _next_org: int = _FIRST_ORG

    @classmethod
    def empty(cls, bench: Bench[ZohoSettings]) -> World:
        """A vendor without customers."""
        world = cls(bench, AccountsServer(bench.rng))
        world.apply_settings()
        return world

    @property
    def settings(self) -> ZohoSettings:
        """The settings in force."""
        return self.bench.settings

    @property
    def now(self) -> int:
        """The present second."""
        return times.whole_seconds(self.bench.clock.now())

    def found(self, name: str, data_centre: str, license_: License) -> Organisation:
        """A new organisation with the standard fields, profiles, role and views, without users."""
        number, self._next_org = self._next_org, self._next_org + 1
        org = Organisation(id="", zgid=f"8{number * 11}"[:9], name=name, data_centre=data_centre, license=license_)
        org.start_ids(number * _IDS_OF_AN_ORG + 1)
        org.id = org.new_id()
        for module, standard in MODULES.items():
            org.module_ids[module] = org.new_id()
            org.stores[module] = RecordStore(lag=self.settings.visibility_delay_s)
            org.fields[module] = FieldSet({one.api_name: replace(one, id=org.new_id()) for one in standard})
        self._furnish(org)
        self.organisations[org.zgid] = org
        return org

    def apply_settings(self) -> None:
        """Carry a change of settings into what was made before it."""
        for client_id, one in self.settings.clients.items():
            redirects = frozenset(one.redirect_uris)
            self.accounts.register(Client(client_id, one.secret, redirects, one.multi_dc, one.secrets))
        for org in self.organisations.values():
            for store in org.stores.values():
                store.lag = self.settings.visibility_delay_s

    def find_user(self, user_id: str) -> tuple[Organisation, User] | None:
        """The user of that id with his organisation."""
        for org in self.organisations.values():
            if user_id in org.users:
                return org, org.users[user_id]
        return None

    def _furnish(self, org: Organisation) -> None:
        org.profiles = {
            one.id: one
            for one in (
                Profile(org.new_id(), "Administrator", administrator=True),
                Profile(org.new_id(), "Standard", set(PERMISSIONS) - {PROFILE_READ}),
            )
        }
        role = Role(org.new_id(), "CEO")
        org.roles[role.id] = role
        for module in MODULES:
            mine = {"comparator": "equal", "field": {"api_name": "Owner"}, "value": "${CURRENTUSER}"}
            views = (
                CustomView(org.new_id(), module, f"All {module}", system_name="ALLVIEWS", default=True),
                CustomView(org.new_id(), module, f"My {module}", mine, system_name="MYVIEWS"),
            )
            for view in views:
                view.created = view.modified = self.now
                org.views[view.id] = view


def custom_field(org: Organisation, module: str, **values: Json) -> Field:
    """Add a field of the organisation's own; its API name is made from the label. Raises ValueError."""
    label = str(values.pop("label"))
    data_type = str(values.pop("data_type", "text"))
    if data_type not in CUSTOM_TYPES:
        raise ValueError(f"data_type: {data_type} is not one of {', '.join(sorted(CUSTOM_TYPES))}")
    api_name = str(values.pop("api_name", None) or "_".join(label.split()))
    length = int(values.pop("length", None) or DEFAULT_LENGTHS.get(data_type, 255))
    choices = tuple(values.pop("choices", ()))
    one = Field(api_name, label, data_type, length, id=org.new_id(), custom=True, choices=choices, **values)
    org.fields[module].put(one)
    return one
