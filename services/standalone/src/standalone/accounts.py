"""Real accounts: a person gives the consents in a browser, chooses on the terminal, and sees the first sync."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from standalone.customer import Customer, Json
from standalone.screen import Screen
from standalone.story import follow

_PROVIDERS: Final = {"zoho": "Zoho CRM", "google": "Google"}
_DIRECTIONS: Final = {
    "two_way": "both ways",
    "crm_to_google": "from the CRM to Google alone",
    "google_to_crm": "from Google to the CRM alone",
}
_LOOK_EVERY_S: Final = 1.0
_NEW_GROUP: Final = "Contact Sync"


def are_given(environ: Mapping[str, str]) -> bool:
    """Whether the environment names OAuth clients of both vendors."""
    return all(environ.get(f"CONTACTSYNC_{vendor}_CLIENT_ID") for vendor in ("ZOHO", "GOOGLE"))


class UnansweredError(RuntimeError):
    """Standard input ended before the last question."""


class Visit:
    """What a person does with config-api, helped by questions on the terminal."""

    def __init__(self, customer: Customer, screen: Screen) -> None:
        self._customer = customer
        self._screen = screen
        self._answers: asyncio.StreamReader | None = None

    async def first_sync(self) -> None:
        """Both accounts are connected, and a configuration has run; one that is there already runs once more."""
        await self._connect()
        known = await self._customer.configurations()
        if known:
            self._screen.heading(f"Next sync of {known[0]['name']!r}")
            run_id = (await self._customer.ask_for_run(known[0]["id"]))["id"]
        else:
            saved = await self._customer.save(await self._chosen())
            self._screen.heading("First sync")
            run_id = saved["run_id"]
        self._report(await follow(self._customer, run_id, self._screen))

    async def _connect(self) -> None:
        for provider, name in _PROVIDERS.items():
            if not await self._is_connected(provider):
                self._screen.heading(f"Open this address in a browser and agree, to connect {name}:")
                self._screen.say(f"  {await self._customer.authorization_url(provider)}")
                while not await self._is_connected(provider):  # noqa: ASYNC110  a browser connects it, elsewhere
                    await asyncio.sleep(_LOOK_EVERY_S)
            connection = (await self._customer.connections())[provider]
            self._screen.did(f"connected to {name}: {connection['account_name']}")

    async def _is_connected(self, provider: str) -> bool:
        connection = (await self._customer.connections()).get(provider)
        return connection is not None and connection["state"] == "active"

    async def _chosen(self) -> Json:
        """The answers to three questions; nothing is preselected but a new group."""
        views = await self._customer.views()
        view = views[await self._pick("Which list view of the CRM?", [view["name"] for view in views])]
        groups = [group for group in await self._customer.groups() if not group["system"]]
        names = [f"{group['name']} ({group['contacts']} contacts)" for group in groups]
        number = await self._pick("Which Google contact group?", [f"a new one, {_NEW_GROUP!r}", *names])
        group = groups[number - 1] if number else await self._customer.make_group(_NEW_GROUP)
        directions = list(_DIRECTIONS)
        direction = directions[await self._pick("Which way?", list(_DIRECTIONS.values()))]
        return {"crm_view_id": view["id"], "google_group": group["id"], "direction": direction}

    async def _pick(self, question: str, choices: Sequence[str]) -> int:
        self._screen.heading(question)
        for number, choice in enumerate(choices, start=1):
            self._screen.say(f"  {number:>3}  {choice}")
        while True:
            self._screen.say(f"  a number from 1 to {len(choices)}:")
            answer = await self._answer()
            if answer.isascii() and answer.isdecimal() and 1 <= int(answer) <= len(choices):
                return int(answer) - 1

    async def _answer(self) -> str:
        """The next line of standard input. Raises UnansweredError when there is none."""
        if self._answers is None:
            reader = self._answers = asyncio.StreamReader()
            loop = asyncio.get_running_loop()
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        line = await self._answers.readline()
        if not line:
            raise UnansweredError("a question was not answered")
        return line.decode(errors="replace").strip()

    def _report(self, run: Mapping[str, Any]) -> None:
        self._screen.run_report(f"The run ended as {run['state'].replace('_', ' ')}", run)
