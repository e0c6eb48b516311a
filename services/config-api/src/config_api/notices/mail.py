"""Letters to the owner of a configuration: once for each incident, in his language, with one link."""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from config_api.web.language import Language
from contactsync.domain.reasons import SENTENCES, sentence
from contactsync.ports.notices import Event, Letter

_TIMEOUT_S: Final = 20
_PORTS: Final = {"smtp": 587, "smtps": 465}
_SUBJECTS: Final = {
    Event.APPROVAL_NEEDED: {
        Language.ENGLISH: "Contact Sync: deletions wait for your answer",
        Language.FRENCH: "Contact Sync : des suppressions attendent votre réponse",
    },
    Event.CONFIGURATION_PAUSED: {
        Language.ENGLISH: "Contact Sync is paused",
        Language.FRENCH: "Contact Sync est en pause",
    },
}
_TEXTS: Final = {
    Event.APPROVAL_NEEDED: {
        Language.ENGLISH: "An unusual number of contacts would be deleted. Everything else was carried out; nothing is "
        "deleted before you have looked at the list.",
        Language.FRENCH: "Un nombre inhabituel de contacts serait supprimé. Tout le reste a été effectué ; rien n’est "
        "supprimé avant que vous n’ayez vu la liste.",
    },
    Event.CONFIGURATION_PAUSED: {
        Language.ENGLISH: "The sync of your contacts has stopped. Nothing was lost.",
        Language.FRENCH: "La synchronisation de vos contacts s’est arrêtée. Rien n’est perdu.",
    },
}
_ADDRESS: Final = re.compile(r"""[^\s@<>()\[\]\\,;:"]+@[^\s@<>()\[\]\\,;:"]+""")
"""One address and nothing beside it. Quoted local parts are not in use, and what is refused is not misread."""
_LOOK: Final = {Language.ENGLISH: "Have a look:", Language.FRENCH: "Pour voir :"}


class MailRefusedError(Exception):
    """The recipient or the letter is refused for good."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are handed in."""

    host: str
    port: int
    tls: bool
    """From the first byte; else STARTTLS, where the server offers it or a password is sent."""
    user: str = ""
    password: str = field(default="", repr=False)


def mail_server(url: str) -> MailServer:
    """The server of `smtp://user:password@host:port` or `smtps://…`. Raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("not an smtp address")
    return MailServer(
        parts.hostname,
        parts.port or _PORTS[parts.scheme],
        parts.scheme == "smtps",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


class Mailer:
    """Writes letters and hands them in, in a thread: the standard library's client is enough for a few a day."""

    def __init__(self, server: MailServer, sender: str, public_address: str) -> None:
        self._server = server
        self._sender = sender
        self._public_address = public_address

    async def send(self, letter: Letter) -> None:
        """Raises MailRefusedError for good, an address that is none too, OSError for now (`SMTPException` is one)."""
        await asyncio.to_thread(self._hand_in, self._message(letter))

    def _message(self, letter: Letter) -> EmailMessage:
        language = _language(letter.recipient.language)
        code = str(letter.facts.get("reason", ""))
        reason = sentence(code, language.value) if code in SENTENCES else ""
        link = f"{self._public_address}/?configuration={letter.facts['configuration_id']}"
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = _one_address(letter.recipient.email)
        message["Subject"] = _SUBJECTS[letter.event][language]
        message["Date"] = format_datetime(letter.occurred_at)
        # The same over all attempts, so that a mail program shows a repeated letter once.
        message["Message-ID"] = f"<{letter.delivery_id}@contact-sync.invalid>"
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = language.value
        paragraphs = (_TEXTS[letter.event][language], reason, f"{_LOOK[language]} {link}")
        message.set_content("\n\n".join(part for part in paragraphs if part) + "\n")
        return message

    def _hand_in(self, message: EmailMessage) -> None:
        server = self._server
        context = ssl.create_default_context()
        try:
            with (
                smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=context)
                if server.tls
                else smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
            ) as client:
                client.ehlo()
                if not server.tls and (client.has_extn("starttls") or server.password):
                    client.starttls(context=context)
                    client.ehlo()
                if server.user:
                    client.login(server.user, server.password)
                client.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            if all(code >= 500 for code, _ in error.recipients.values()):  # noqa: PLR2004  RFC 5321, 4.2.1
                raise MailRefusedError from error
            raise


def _language(wanted: str) -> Language:
    """`fr`, `fr-CA`, `fr_FR`: French; English for all others."""
    return Language.FRENCH if wanted.lower().partition("-")[0].partition("_")[0] == "fr" else Language.ENGLISH


def _one_address(text: str) -> str:
    """The address of one recipient, as the caller's token named it. Raises MailRefusedError for anything else."""
    if not text.isprintable() or _ADDRESS.fullmatch(text) is None:
        raise MailRefusedError
    return text
