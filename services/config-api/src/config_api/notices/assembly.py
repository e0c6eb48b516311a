"""The sender of news, built from settings."""

from __future__ import annotations

from random import SystemRandom

from config_api.notices.egress import Egress
from config_api.notices.mail import Mailer, mail_server
from config_api.notices.sender import NoticeSender
from config_api.settings import ConfigApiSettings
from contactsync.adapters.sql.notices import SqlNotices
from contactsync.assembly.foundation import Foundation
from contactsync.errors import ConfigurationError


def notice_sender(foundation: Foundation, settings: ConfigApiSettings) -> NoticeSender:
    """Build it. Raises ConfigurationError for a mail server's address that is none."""
    url = settings.smtp_url.get_secret_value()
    try:
        server = mail_server(url) if url else None
    except ValueError:
        raise ConfigurationError("CONTACTSYNC_SMTP_URL: not an smtp:// or smtps:// address") from None
    mailer = None if server is None else Mailer(server, settings.smtp_from, settings.public_address)
    notices = SqlNotices(foundation.database, foundation.vault, mails=mailer is not None)
    egress = Egress(foundation.client, settings.webhook_hosts)
    return NoticeSender(notices, egress, mailer, foundation.clock, SystemRandom())
