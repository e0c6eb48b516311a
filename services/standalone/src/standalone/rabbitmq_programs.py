"""Where a RabbitMQ server's programs are on this machine; on Debian they can be had without installing anything.

The packages are downloaded with apt's own tools into a folder of ours, with lists of our own, and unpacked there: no
root, no change to the system. Debian writes Erlang's location into its start scripts, so these are corrected.
"""

import asyncio
import logging
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from standalone.servers import ServerUnavailableError

# The wrapper in /usr/sbin insists on root or the user rabbitmq; this one runs as anyone (Debian, Fedora).
_SERVER_SCRIPT = Path("usr/lib/rabbitmq/bin/rabbitmq-server")
_ERLANG_ROOT = re.compile(r"(?P<name>\bROOTDIR)=[^$\n]*$", re.MULTILINE)
_OURS = re.compile(r"^(erlang|rabbitmq)")
_TO_INSTALL = re.compile(r"^Inst (?P<name>\S+) (?:\[\S+\] )?\((?P<version>\S+) ", re.MULTILINE)
_APT_WITHIN_S = 300
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RabbitPrograms:
    """The script that starts a RabbitMQ node, and what it needs to find Erlang and its libraries.

    `script` is relative to `folder`, in which it must be started: it does not bear a space in its own path.
    """

    folder: Path
    script: Path
    environment: Mapping[str, str]


def installed_programs(environ: Mapping[str, str]) -> RabbitPrograms | None:
    """The RabbitMQ of this machine, where Erlang is there too."""
    search_path = environ.get("PATH", os.defpath)
    script = Path("/") / _SERVER_SCRIPT
    if not script.exists():
        on_path = shutil.which("rabbitmq-server", path=search_path)
        if on_path is None:
            return None
        script = Path(on_path)
    if shutil.which("erl", path=search_path) is None:
        return None
    return RabbitPrograms(Path("/"), script, {"PATH": search_path})


async def unpacked_programs(cache: Path, environ: Mapping[str, str]) -> RabbitPrograms:
    """RabbitMQ unpacked under `cache` from this Debian's packages, downloaded at the first call.

    Raises ServerUnavailableError where there is no apt, or the packages cannot be downloaded.
    """
    root = cache / "root"
    if not (root / _SERVER_SCRIPT).exists():
        if not all(shutil.which(tool) for tool in ("apt-get", "dpkg")):
            raise ServerUnavailableError("no RabbitMQ is installed, and this is no Debian to take its packages from")
        _log.warning("downloading RabbitMQ's packages into %s; nothing is installed", cache)
        draft = cache / "root.new"
        for folder in (draft, cache / "packages"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        await _download(cache)
        for package in sorted((cache / "packages").glob("*.deb")):
            await _run(["dpkg", "--extract", str(package), str(draft)], cache)
        draft.rename(root)
        shutil.rmtree(cache / "packages")
    _relocate_erlang(root)
    # Resolved, since the script follows its own link to a path that begins at the root folder.
    script = (root / _SERVER_SCRIPT).resolve().relative_to(root.resolve())
    return RabbitPrograms(root, script, _private_environment(root, environ))


async def _download(cache: Path) -> None:
    """The packages that RabbitMQ needs and this machine lacks, into `cache`/packages.

    Erlang and RabbitMQ count as lacking even where some part of them is installed: halves do not mix.
    """
    options = _apt_options(cache)
    await _run(["apt-get", *options, "update"], cache)
    simulated = await _run(
        ["apt-get", *options, "--simulate", "--no-install-recommends", "install", "rabbitmq-server"], cache
    )
    packages = [f"{match['name']}={match['version']}" for match in _TO_INSTALL.finditer(simulated)]
    if not packages:
        raise ServerUnavailableError("apt knows no packages for rabbitmq-server")
    await _run(["apt-get", *options, "download", *packages], cache / "packages")


def _apt_options(cache: Path) -> Sequence[str]:
    """Options that keep apt's lists, caches and locks in `cache`, and hide what is half installed."""
    for folder in ("lists/partial", "archives/partial"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    status = cache / "status"
    installed = Path("/var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace").split("\n\n")
    status.write_text("\n\n".join(entry for entry in installed if not _OURS.match(entry.removeprefix("Package: "))))
    settings = {
        "Dir::State": cache,
        "Dir::State::lists": cache / "lists",
        "Dir::State::status": status,
        "Dir::Cache": cache,
        "Dir::Log": cache,  # as root even a simulation is noted in apt's log
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "",  # as root too: the unprivileged download user may not enter our folder
        "Acquire::Languages": "none",
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def _relocate_erlang(root: Path) -> None:
    """Make the unpacked Erlang start from where it lies now, which may not be where it lay at the last call."""
    library = root / "usr/lib/erlang"
    for script in [*library.glob("bin/*"), *library.glob("erts-*/bin/*")]:
        if script.is_symlink() or not script.is_file() or not script.read_bytes().startswith(b"#!"):
            continue
        before = script.read_text()
        after = _ERLANG_ROOT.sub(lambda match: f"{match['name']}={shlex.quote(str(library))}", before)
        if after != before:
            script.write_text(after)


def _private_environment(root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    own = [root / "usr/lib/erlang/bin", root / "usr/bin"]
    libraries = sorted({str(file.parent) for file in root.glob("**/*-linux-*/*.so*")})
    return {
        "PATH": os.pathsep.join([*map(str, own), environ.get("PATH", os.defpath)]),
        **({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {}),
    }


async def _run(command: Sequence[str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(_APT_WITHIN_S):
        output, errors = await process.communicate()
    if process.returncode != 0:
        last_words = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise ServerUnavailableError(f"RabbitMQ's packages cannot be had: {command[0]} {' '.join(last_words)}")
    return output.decode(errors="replace")
