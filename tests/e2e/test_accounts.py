"""With OAuth clients in the environment the same command uses the accounts that a person connects and chooses."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from functools import partial
from pathlib import Path
from random import SystemRandom

import httpx2
import pytest

from simulators.google.settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET
from standalone.consent import agree
from standalone.ports import free_ports
from tests.support.connected import vendor_settings
from tests.support.vendors import Vendors
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]


def _is_shown(output: Path, address: re.Pattern[str]) -> bool:
    return address.search(output.read_text()) is not None


async def _environment(both: Vendors, port: int) -> dict[str, str]:
    public_url = f"http://127.0.0.1:{port}"
    client = {"secret": DEMO_CLIENT_SECRET, "redirect_uris": [f"{public_url}/oauth/google/callback"]}
    await both.google.control.settings(clients={DEMO_CLIENT_ID: client})
    given = {name: value for name, value in os.environ.items() if not name.startswith("CONTACTSYNC_")}
    vendors = {f"CONTACTSYNC_{name.upper()}": str(value) for name, value in vendor_settings(both).items()}
    return given | vendors | {"CONTACTSYNC_API_PORT": str(port), "CONTACTSYNC_PUBLIC_URL": public_url}


async def test_a_person_connects_chooses_and_sees_the_first_sync_and_the_next_start_goes_on(
    both: Vendors, tmp_path: Path
) -> None:
    await both.crm.populate(30)
    environment = await _environment(both, free_ports(1, SystemRandom())[0])
    output = tmp_path / "output"

    async def started() -> asyncio.subprocess.Process:
        with output.open("wb") as stream:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "standalone", "demo", "--folder", str(tmp_path / ".run")),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=stream,
                stderr=stream,
            )

    process = await started()
    assert process.stdin is not None
    async with httpx2.AsyncClient(trust_env=False) as browser:
        for provider in ("zoho", "google"):
            address = re.compile(
                rf"^  ({re.escape(environment['CONTACTSYNC_PUBLIC_URL'])}/oauth/{provider}/start/\S+)$", re.MULTILINE
            )
            await wait_until(partial(_is_shown, output, address), within_s=60)
            await agree(address.findall(output.read_text())[0], browser)
    process.stdin.write(b"x\n1\n1\n2\n")
    assert await process.wait() == 0, output.read_text()
    assert "30    created on the other side" in output.read_text()
    assert len(await both.google.people()) == 30

    again = await started()
    assert await again.wait() == 0, output.read_text()
    assert "30    unchanged" in output.read_text()
