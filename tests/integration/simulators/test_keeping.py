"""The state of the simulators from one process to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from simulators.keeping import FILE
from tests.integration.simulators.test_process import ready, start

pytestmark = pytest.mark.process

_AHEAD_S = 1800


@contextmanager
def _running(folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    with start("--state", str(folder), *arguments) as process:
        try:
            yield ready(process)
        finally:
            process.terminate()
        assert process.wait(timeout=20) == 0


def _ended(folder: Path) -> tuple[int, str]:
    with start("--state", str(folder)) as process:
        _, errors = process.communicate(timeout=20)
        return process.returncode, errors


def _call(url: str, path: str, body: object = None) -> Any:  # noqa: ANN401  JSON
    answer = httpx2.request("POST" if body is not None else "GET", f"{url}/control{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


def _without(state: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in names}


def _furnished(urls: dict[str, str]) -> dict[str, Any]:
    """One customer of both, contacts, and the keys to them."""
    org = _call(urls["zoho"], "/organisations", {"name": "Analytical Ltd"})
    records = f"/organisations/{org['zgid']}/records/Contacts"
    _call(urls["zoho"], f"{records}/populate", {"count": 20, "seed": 1})
    account = _call(urls["google"], "/accounts", {"email": "ada@example.com", "region": "GB"})
    people = [{"names": [{"givenName": "Ada"}]}]
    _call(urls["google"], f"/accounts/{account['sub']}/people", {"people": people})
    return {
        "sub": account["sub"],
        "records": records,
        "google": _call(urls["google"], "/tokens", {"account": account["sub"], "lifetime_s": 1e9})["access_token"],
        "zoho": _call(urls["zoho"], "/tokens", {"user_id": org["users"][0]["id"]})["access_token"],
    }


def _listed(urls: dict[str, str], given: dict[str, Any], **query: str) -> Any:  # noqa: ANN401  JSON
    answer = httpx2.get(
        f"{urls['google']}/v1/people/me/connections",
        params={"personFields": "names", "requestSyncToken": "true", **query},
        headers={"Authorization": f"Bearer {given['google']}"},
    )
    assert answer.is_success, answer.text
    return answer.json()


def test_contacts_tokens_and_clocks_are_as_the_last_process_left_them(tmp_path: Path) -> None:
    with _running(tmp_path) as urls:
        given = _furnished(urls)
        _call(urls["zoho"], "/clock", {"advance_s": _AHEAD_S})
        token = _listed(urls, given)["nextSyncToken"]
        before = {name: _call(url, "/state") for name, url in urls.items()}
        clocks = {name: _call(url, "/clock") for name, url in urls.items()}
    with _running(tmp_path) as urls:
        after = {name: _call(url, "/state") for name, url in urls.items()}
        assert _without(after["google"], ["now"]) == _without(before["google"], ["now"])
        assert _without(after["zoho"], ["now"]) == _without(before["zoho"], ["now"])
        assert all(clocks[name]["now"] <= _call(url, "/clock")["now"] for name, url in urls.items())
        assert "connections" not in _listed(urls, given, syncToken=token)
        _call(urls["google"], f"/accounts/{given['sub']}/people", {"people": [{"names": [{"givenName": "Grace"}]}]})
        assert len(_listed(urls, given, syncToken=token)["connections"]) == 1
        view = httpx2.get(
            f"{urls['zoho']}/crm/v8/Contacts?fields=Email",
            headers={"Authorization": f"Zoho-oauthtoken {given['zoho']}"},
        )
        assert len(view.json()["data"]) == 20


def test_settings_are_those_of_the_new_command_line(tmp_path: Path) -> None:
    with _running(tmp_path, "--settings", '{"google": {"max_contacts": 5}}') as urls:
        given = _furnished(urls)
    with _running(tmp_path, "--settings", '{"google": {"max_contacts": 1}}') as urls:
        assert _call(urls["google"], "/settings")["max_contacts"] == 1
        assert len(_listed(urls, given)["connections"]) == 1


def test_a_broken_state_and_one_of_another_version_are_told_in_one_line(tmp_path: Path) -> None:
    with _running(tmp_path):
        pass
    file = tmp_path / FILE
    whole = file.read_bytes()
    name, _, rest = whole.split(b"\n", 2)
    for content, reason in (
        (whole[:-9], "is broken"),
        (b"", "is broken"),
        (b"\n".join((name, b"0" * 32, rest)), "was written by another version"),
    ):
        file.write_bytes(content)
        status, errors = _ended(tmp_path)
        assert (status, errors) == (2, f"simulators: {file} {reason}\n")


def test_a_process_that_is_killed_leaves_no_state_that_its_clients_are_ahead_of(tmp_path: Path) -> None:
    with _running(tmp_path):
        pass
    with start("--state", str(tmp_path)) as process:
        ready(process)
        process.kill()
    assert not (tmp_path / FILE).exists()
