"""Breaks the product in one place at a time and wants a test to fail: `make mutants`.

The file's name keeps it out of `make test`. Each mutant is a copy of all sources, found before the workspace's own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, ROOT, SOURCES, Mutant

_TESTS_FAILED = 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "_"))
async def test_somebody_notices(mutant: Mutant, tmp_path: Path) -> None:
    _copy_sources(tmp_path)
    broken = tmp_path / mutant.file
    broken.write_text(mutant.broken(broken.read_text(encoding="utf-8")), encoding="utf-8")
    compile(broken.read_text(encoding="utf-8"), mutant.file, "exec")

    code, output = await _run_tests(mutant.tests.split(), tmp_path)

    assert code == _TESTS_FAILED, f"nobody noticed (pytest ended with {code}):\n{output[-2000:]}"


def _copy_sources(target: Path) -> None:
    for source in SOURCES:
        shutil.copytree(ROOT / source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


async def _run_tests(tests: list[str], sources: Path) -> tuple[int | None, str]:
    options = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", *options, *tests),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode(errors="replace")
