"""A consent given as a person gives it: the page is opened, everything on it is agreed to, the browser goes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final

import httpx2

_FOUND: Final = 302
_MARKUP: Final = re.compile(r"<style.*?</style>|<script.*?</script>|<[^>]*>", re.DOTALL)


class ConsentError(RuntimeError):
    """The consent did not end as it should; the message says where."""


async def agree(authorization_url: str, client: httpx2.AsyncClient, *, choice: Mapping[str, str] = {}) -> None:
    """Begin where the product says, agree on the vendor's page, and follow the way back.

    The client keeps the cookie by which the product knows its browser. `choice` answers questions of the page by their
    names; for all others the first possible answer is taken. Raises ConsentError when the vendor shows something else
    or the product refuses the answer.
    """
    page = await client.get(authorization_url, follow_redirects=True)
    form = _Form()
    form.feed(page.text)
    if not page.is_success or form.action is None:
        raise ConsentError(f"no consent page at {page.url.host}: {page.status_code}")
    answered = await client.post(page.url.join(form.action), data={**form.answers, **choice})
    if answered.status_code != _FOUND:
        raise ConsentError(f"{page.url.host} did not send the browser back: {answered.status_code}")
    back = await client.get(answered.headers["location"], follow_redirects=True)
    if not back.is_success:
        said = " ".join(_MARKUP.sub(" ", back.text).split())
        raise ConsentError(f"{back.url.host} refused the consent: {back.status_code} {said[:400]}")


class _Form(HTMLParser):
    """The first choice of every question of a form, and all its boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.answers: dict[str, list[str]] = {}
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, value = given.get("name", ""), given.get("value", "")
        match tag, given.get("type"):
            case "form", _:
                self.action = given.get("action", "")
            case "input", "checkbox":
                self.answers.setdefault(name, []).append(value)
            case ("input", _) | ("button", _) if name:
                self.answers.setdefault(name, [value])
            case "select", _:
                self._select = name
            case "option", _ if self._select is not None:
                self.answers.setdefault(self._select, [value])
            case _:
                pass
