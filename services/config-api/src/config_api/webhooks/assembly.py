"""The parts of webhooks, built from settings."""

from __future__ import annotations

from dataclasses import dataclass

from config_api.settings import ConfigApiSettings
from config_api.webhooks.channels import ChannelKeeper
from config_api.webhooks.intake import ChannelIntake, RunAsker
from config_api.webhooks.service import SyncRequests, WebhookEndpoints
from contactsync.adapters.http import OpenGate
from contactsync.adapters.sql.notices import SqlDeliveries
from contactsync.adapters.sql.webhooks import SqlChannels, SqlEndpoints
from contactsync.adapters.zoho.notifications import ZohoNotifications
from contactsync.assembly.foundation import Foundation
from contactsync.domain.ids import ConnectionId
from contactsync.ports.requests import RunRequests
from contactsync.ports.vault import TokenSource


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Calls from outside, the endpoints behind them, and who keeps the CRM's channels."""

    intake: ChannelIntake
    sync_requests: SyncRequests
    endpoints: WebhookEndpoints
    keeper: ChannelKeeper
    deliveries: SqlDeliveries


async def webhooks_on(
    foundation: Foundation, settings: ConfigApiSettings, requests: RunRequests, tokens: TokenSource
) -> Webhooks:
    """Build them."""
    clock = foundation.clock
    channels = SqlChannels(foundation.database, clock)
    endpoints = SqlEndpoints(foundation.database, foundation.vault)
    asker = RunAsker(requests, clock)
    token_key = (await foundation.vault.installation()).hash_key

    def notifications_of(connection_id: ConnectionId) -> ZohoNotifications:
        return ZohoNotifications(foundation.zoho, tokens, connection_id, OpenGate())

    return Webhooks(
        ChannelIntake(channels, asker, token_key, clock),
        SyncRequests(endpoints, asker, clock),
        WebhookEndpoints(endpoints, clock, settings.webhook_hosts),
        ChannelKeeper(channels, notifications_of, token_key, settings.public_address, clock),
        SqlDeliveries(foundation.database),
    )
