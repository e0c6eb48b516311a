"""The small pages around a consent: who asked for it, and how it ended. No file is loaded, nothing is kept."""

from __future__ import annotations

import json
import secrets
from html import escape
from typing import Final

from fastapi.responses import HTMLResponse

from config_api.oauth.service import Asker
from config_api.web.language import Language
from contactsync.ports.connections import OtherAccount, Provider

_PAGE: Final = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Contact Sync</title><style nonce="{nonce}">
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }}
</style></head><body><main><h1>Contact Sync</h1><p role="status">{text}</p>{more}</main>{script}</body></html>
"""
_SCRIPT: Final = """<script nonce="{nonce}">
if (window.opener) {{ window.opener.postMessage({message}, {target}); {close} }}
</script>"""
_CONNECTED: Final = {
    Language.ENGLISH: "The account is connected. You can close this window.",
    Language.FRENCH: "Le compte est connecté. Vous pouvez fermer cette fenêtre.",
}
_VENDORS: Final = {Provider.ZOHO: "Zoho CRM", Provider.GOOGLE: "Google"}
_ASKS: Final = {
    Language.ENGLISH: "{name} asks to connect a {vendor} account to Contact Sync.",
    Language.FRENCH: "{name} demande à connecter un compte {vendor} à Contact Sync.",
}
_UNNAMED: Final = {Language.ENGLISH: "Somebody", Language.FRENCH: "Quelqu’un"}
_WARNING: Final = {
    Language.ENGLISH: "The contacts of the account that you choose next will be synchronised for this person. "
    "Go on only if this is you. If you did not ask for it, close this window.",
    Language.FRENCH: "Les contacts du compte que vous choisirez ensuite seront synchronisés pour cette personne. "
    "Ne continuez que s’il s’agit de vous. Si vous n’avez rien demandé, fermez cette fenêtre.",
}
_GO_ON: Final = {
    Language.ENGLISH: "This is me: go on to {vendor}",
    Language.FRENCH: "C’est moi\u00a0: continuer vers {vendor}",
}
_BACK: Final = {Language.ENGLISH: "Back", Language.FRENCH: "Retour"}
_NAMES: Final = {
    Language.ENGLISH: ("Connected before", "Offered now"),
    Language.FRENCH: ("Connecté auparavant", "Proposé maintenant"),
}


def connected_text(language: Language) -> str:
    """What a person reads when it went well."""
    return _CONNECTED[language]


def confirming_page(language: Language, provider: Provider, asker: Asker) -> HTMLResponse:
    """A page that names who asked for the consent, and goes on at the press of a button."""
    vendor = _VENDORS[provider]
    known = [part for part in (asker.email, asker.organisation) if part]
    text = _ASKS[language].format(name=asker.name or asker.email or _UNNAMED[language], vendor=vendor)
    more = "".join(f"<p><strong>{escape(part)}</strong></p>" for part in known)
    more += f"<p>{escape(_WARNING[language])}</p>"
    more += f'<form method="post"><button>{escape(_GO_ON[language].format(vendor=vendor))}</button></form>'
    # No `form-action`: browsers hold the provider's redirects to it too, from one data centre to the next.
    page = _page(language, text, more=more, status=200, policy="base-uri 'none'")
    page.headers["Referrer-Policy"] = "same-origin"  # else the form's Origin header would be `null`
    return page


def ending_page(
    language: Language,
    text: str,
    *,
    status: int,
    other: OtherAccount | None = None,
    back: str | None = None,
    told: tuple[dict[str, str], str] | None = None,
) -> HTMLResponse:
    """A page with a sentence, both accounts' names where they differ, and a way back.

    `told` is a message for the window that opened this one, and the only origin that may read it.
    """
    back_link = "" if back is None else f'<p><a href="{escape(back)}">{_BACK[language]}</a></p>'
    return _page(
        language,
        text,
        more=_names(language, other) + back_link,
        status=status,
        policy="base-uri 'none'; form-action 'none'",
        told=told,
    )


def _page(
    language: Language,
    text: str,
    *,
    more: str,
    status: int,
    policy: str,
    told: tuple[dict[str, str], str] | None = None,
) -> HTMLResponse:
    """The page; `text` is plain, `more` is HTML."""
    nonce = secrets.token_urlsafe(16)
    script = ""
    if told is not None:
        message, target = (_script_json(part) for part in told)
        # A refusal stays to be read.
        close = "window.close();" if status < 400 else ""  # noqa: PLR2004  RFC 9110, 15
        script = _SCRIPT.format(nonce=nonce, message=message, target=target, close=close)
    html = _PAGE.format(language=language.value, nonce=nonce, text=escape(text), more=more, script=script)
    own = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return HTMLResponse(html, status, {"Content-Security-Policy": f"{own}; {policy}"})


def _names(language: Language, other: OtherAccount | None) -> str:
    if other is None:
        return ""
    before, now = _NAMES[language]
    rows = [(before, other.pinned), (now, other.offered)]
    return "<dl>" + "".join(f"<dt>{label}</dt><dd>{escape(name)}</dd>" for label, name in rows if name) + "</dl>"


def _script_json(value: object) -> str:
    """JSON that is safe inside a script element."""
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
