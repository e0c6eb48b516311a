"""The small page that ends a consent where the browser is not sent elsewhere: no file is loaded, nothing is kept."""

from __future__ import annotations

import json
import secrets
from html import escape
from typing import Final

from fastapi.responses import HTMLResponse

from config_api.web.language import Language
from contactsync.ports.connections import OtherAccount

_PAGE: Final = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Contact Sync</title><style nonce="{nonce}">
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }}
</style></head><body><main><h1>Contact Sync</h1><p role="status">{text}</p>{names}{back}</main>{script}</body></html>
"""
_SCRIPT: Final = """<script nonce="{nonce}">
if (window.opener) {{ window.opener.postMessage({message}, {target}); {close} }}
</script>"""
_CONNECTED: Final = {
    Language.ENGLISH: "The account is connected. You can close this window.",
    Language.FRENCH: "Le compte est connecté. Vous pouvez fermer cette fenêtre.",
}
_BACK: Final = {Language.ENGLISH: "Back", Language.FRENCH: "Retour"}
_NAMES: Final = {
    Language.ENGLISH: ("Connected before", "Offered now"),
    Language.FRENCH: ("Connecté auparavant", "Proposé maintenant"),
}


def connected_text(language: Language) -> str:
    """What a person reads when it went well."""
    return _CONNECTED[language]


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
    nonce = secrets.token_urlsafe(16)
    script = ""
    if told is not None:
        message, target = (_script_json(part) for part in told)
        # A refusal stays to be read.
        close = "window.close();" if status < 400 else ""  # noqa: PLR2004  RFC 9110, 15
        script = _SCRIPT.format(nonce=nonce, message=message, target=target, close=close)
    html = _PAGE.format(
        language=language.value,
        nonce=nonce,
        text=escape(text),
        names=_names(language, other),
        back="" if back is None else f'<p><a href="{escape(back)}">{_BACK[language]}</a></p>',
        script=script,
    )
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return HTMLResponse(html, status, {"Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'"})


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
