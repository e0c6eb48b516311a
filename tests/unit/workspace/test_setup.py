"""tools/setup.sh says in one line what is missing, and leaves nothing behind."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """As much of a clone as the set-up reads, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    for name in ("tools", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    for project in (ROOT / "shared", *ROOT.glob("services/*")):
        copy = folder / project.relative_to(ROOT)
        copy.mkdir(parents=True)
        shutil.copy(project / "pyproject.toml", copy)
    return folder


def _interpreter(folder: Path, script: str) -> Path:
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def _set_up(workspace: Path, python: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(workspace / "tools" / "setup.sh"), "dev"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_refused(workspace: Path, tmp_path: Path) -> None:
    done = _set_up(workspace, _interpreter(tmp_path, "exit 1"))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"set-up: PYTHON={tmp_path}/python3 is not a Python 3.11 or newer"]
    assert not (workspace / ".venv").exists()


def test_a_python_without_venv_is_told_which_package_brings_it(workspace: Path, tmp_path: Path) -> None:
    done = _set_up(workspace, _interpreter(tmp_path, 'case "$2" in *ensurepip*) exit 1;; esac'))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (workspace / ".venv").exists()
