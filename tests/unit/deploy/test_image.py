"""The image's recipe, without building it; `make image-check` builds it and runs the roles."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deploy/images/Dockerfile"
ENTRYPOINT = ROOT / "deploy/images/entrypoint.sh"
EX_USAGE = 64


def test_the_recipe_has_no_finding() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKERFILE], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_made_of_locked_packages_alone() -> None:
    recipe = DOCKERFILE.read_text(encoding="utf-8")
    for index in (part.split("\n\n")[0] for part in recipe.split(" install ")[1:]):
        command = index.split("&&")[0]
        assert "--require-hashes" in command or "--no-index" in command, command


def test_an_unknown_role_is_refused_with_the_list_of_roles() -> None:
    done = subprocess.run(["/bin/sh", ENTRYPOINT, "worker"], check=False, capture_output=True, text=True)
    assert done.returncode == EX_USAGE
    assert "sync-worker" in done.stderr


def test_a_health_check_by_command_tells_whether_the_role_answers() -> None:
    async def status(answer: bytes) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            assert request.startswith(b"GET /readyz ")
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % answer)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            asked = await asyncio.create_subprocess_exec(
                "/bin/sh",
                ENTRYPOINT,
                "ready",
                str(port),
                env={"PATH": str(Path(sys.executable).parent)},
                stderr=DEVNULL,
            )
            return await asked.wait()

    assert asyncio.run(status(b"200 OK")) == 0
    assert asyncio.run(status(b"503 Service Unavailable")) == 1


def test_what_is_not_the_product_stays_out_of_the_build() -> None:
    allowed = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    assert not [path for path in allowed if "standalone" in path or "simulators" in path or path.startswith("tests")]
    assert all((ROOT / path).exists() for path in allowed)
