"""The TypeScript types are those of the interface; they catch mistakes, and a client that is built on them works."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.config_api.conftest import Desk
from tests.support.accounts import GROUP, VIEW
from tools.typescript import CLIENT, TYPES, compile_client, generate, node

# The first run of a lock installs its packages.
pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """A copy of the client's folder."""
    return Path(shutil.copytree(CLIENT, tmp_path / "client"))


def test_the_committed_types_are_those_of_the_interface(tmp_path: Path) -> None:
    generate(tmp_path / "types.d.ts")
    assert (tmp_path / "types.d.ts").read_text(encoding="utf-8") == TYPES.read_text(encoding="utf-8"), "run make client"


@pytest.mark.postgres
async def test_a_client_built_on_the_types_saves_a_configuration_and_asks_for_a_run(client: Path, desk: Desk) -> None:
    compiled = await asyncio.to_thread(compile_client, client)
    arguments = (str(desk.api.base_url).rstrip("/"), VIEW, GROUP)
    printed = await asyncio.to_thread(node, compiled / "example.js", *arguments, folder=client)
    assert json.loads(printed) == {
        "configuration": "active",
        "coalesced": "joined",
        "state": "queued",
        "missing": "not_found",
    }


def test_mistakes_in_requests_and_answers_do_not_compile(client: Path) -> None:
    mistakes = {'"two_way"': '"two_ways"', '"sync"': '"sink"', "run.state": "run.stage"}
    example = client / "example.ts"
    written = example.read_text(encoding="utf-8")
    for right, wrong in mistakes.items():
        assert right in written
        written = written.replace(right, wrong)
    example.write_text(written, encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        compile_client(client)
    for wrong in ("two_ways", "sink", "stage"):
        assert wrong in caught.value.stdout
