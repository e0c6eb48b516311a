"""The consent page: a small HTML form with an account chooser and a box for each scope."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from simulators.google.addressbook import Owner
from simulators.google.authorization import SIGN_IN_SCOPES

_TEXTS = {
    "https://www.googleapis.com/auth/contacts": "See, edit, download, and permanently delete your contacts",
    "https://www.googleapis.com/auth/contacts.readonly": "See and download your contacts",
    "https://www.googleapis.com/auth/contacts.other.readonly": "See and download your other contacts",
    "https://www.googleapis.com/auth/directory.readonly": "See and download your organization's directory",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Sign in - simulated Google accounts</title>
<style>body {{ font-family: sans-serif; max-width: 32rem; margin: 3rem auto; line-height: 1.5 }}
fieldset {{ border: 1px solid #999; margin: 1rem 0 }} button {{ font: inherit; padding: .4rem 1.2rem }}</style></head>
<body>
<h1>Simulated Google</h1>
{content}
</body>
</html>
"""


def consent_page(
    ticket: str, client_id: str, owners: Iterable[Owner], chosen: str | None, scopes: Iterable[str]
) -> str:
    """The form; `ticket` stands for the request, `chosen` is the sub of the account that is preselected."""
    accounts = "\n".join(_account(owner, checked=owner.sub == chosen) for owner in owners)
    boxes = "\n".join(_scope(scope) for scope in scopes if scope not in SIGN_IN_SCOPES)
    return _PAGE.format(
        content=f"""<p><b>{escape(client_id)}</b> wants to access your Google Account.</p>
<form method="post" action="/o/oauth2/v2/auth/answer">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<fieldset><legend>Choose an account</legend>
{accounts}
</fieldset>
<fieldset><legend>Select what it can access</legend>
{boxes}
</fieldset>
<button name="answer" value="allow">Continue</button>
<button name="answer" value="deny">Cancel</button>
</form>"""
    )


def error_page(error: str, reason: str) -> str:
    """The page shown instead of a redirect."""
    return _PAGE.format(content=f"<h2>Access blocked: {escape(error)}</h2><p>{escape(reason)}</p>")


def _account(owner: Owner, *, checked: bool) -> str:
    mark = " checked" if checked else ""
    return (
        f'<label><input type="radio" name="account" value="{escape(owner.sub)}"{mark} required>'
        f" {escape(owner.email)}</label><br>"
    )


def _scope(scope: str) -> str:
    text = escape(_TEXTS.get(scope, scope))
    return f'<label><input type="checkbox" name="scope" value="{escape(scope)}"> {text}</label><br>'
