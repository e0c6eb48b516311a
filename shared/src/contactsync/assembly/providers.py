"""The two connectors, put together for one run of one configuration."""

from __future__ import annotations

from dataclasses import dataclass

from contactsync.adapters.google.bases import Bindings
from contactsync.adapters.google.client import GooglePeople
from contactsync.adapters.google.endpoints import GoogleEndpoints
from contactsync.adapters.http import AuthorizedHttp, HttpEdge
from contactsync.adapters.zoho.client import ZohoContacts
from contactsync.adapters.zoho.metadata import ZohoMetadata
from contactsync.adapters.zoho.shown import ShownFields
from contactsync.ports.directory import CallGate
from contactsync.ports.state import RunSettings
from contactsync.ports.vault import TokenSource


@dataclass(frozen=True, slots=True)
class Providers:
    """Where both vendors are and how requests reach them; lives as long as the process."""

    zoho: HttpEdge
    google: HttpEdge
    google_endpoints: GoogleEndpoints
    tokens: TokenSource

    def crm(self, settings: RunSettings, gate: CallGate, *, automation: bool) -> ZohoContacts:
        """The CRM's contacts; `automation` lets the organisation's workflows run on our writes."""
        connection = settings.crm_connection_id
        return ZohoContacts(
            self.zoho,
            self.tokens,
            connection,
            settings.policy.mapping,
            gate,
            automation=automation,
            shown=ShownFields(ZohoMetadata(self.zoho, self.tokens, connection, gate)),
        )

    def people(self, settings: RunSettings, gate: CallGate, bindings: Bindings | None = None) -> GooglePeople:
        """The Google account's contacts; `bindings` tells which entry of a person a mapped field was last bound to."""
        http = AuthorizedHttp(self.google, self.tokens, settings.google_connection_id, gate)
        return GooglePeople(
            http,
            self.google_endpoints,
            group=settings.group_id,
            mapping=settings.policy.mapping,
            region=settings.region,
            bindings=bindings,
        )
