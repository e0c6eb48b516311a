"""What may not stand in this repository's files."""

import pytest

from tools.hygiene import findings


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("requirements/dev.txt", "ruff @ https://somewhere.example/ruff.whl"),
        ("uv.lock", "version = 1"),
        ("clients/package-lock.json", '      "resolved": "https://somewhere.example/a.tgz",'),
        ("docs/a.md", "get it from files.pythonhosted.org/packages"),
        ("Makefile", "pip install --index-url x"),
        ("docs/a.md", "see /home/ada/notes"),
        ("src/a.py", 'open("/root/x")'),
    ],
)
def test_a_line_that_is_true_on_one_machine_alone_is_found(path: str, line: str) -> None:
    assert [found.split(": ")[0] for found in findings(path, f"fine\n{line}\n" if path != "uv.lock" else line)]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("requirements/dev.txt", "ruff==1.0 \\\n    --hash=sha256:00"),
        ("clients/package-lock.json", '      "integrity": "sha512-00=="'),
        ("docs/a.md", "https://people.googleapis.com/v1/people/me"),
        ("src/a.py", 'route = "/v1/build/things"'),
        ("src/a.py", 'Path("/usr/lib/postgresql")'),
    ],
)
def test_a_line_that_is_true_everywhere_is_not(path: str, line: str) -> None:
    assert list(findings(path, line)) == []
