"""The compose file: every role with settings that it starts with, nothing that a container should not have."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.roles import SETTINGS, VARIABLES

FOLDER = Path(__file__).resolve().parents[3] / "deploy/compose"


@pytest.fixture(scope="module")
def compose() -> Mapping[str, Any]:
    loaded = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, Mapping)
    return loaded


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `prepare.sh` makes, in a copy of the folder; its first call asks for what only a person knows."""
    copy = tmp_path_factory.mktemp("compose")
    for name in ("prepare.sh", "settings.env.example"):
        (copy / name).write_bytes((FOLDER / name).read_bytes())
    first = subprocess.run(["/bin/sh", copy / "prepare.sh"], check=False, capture_output=True, text=True)
    assert first.returncode == 1
    assert "settings.env" in first.stderr
    return copy


def test_every_role_starts_with_what_the_file_hands_it(
    compose: Mapping[str, Any], prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role, settings in SETTINGS.items():
        service = compose["services"][role]
        with monkeypatch.context() as patch:
            for line in (prepared / "settings.env").read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                if not name.startswith("#"):
                    patch.setenv(name, value)
            for name, value in service["environment"].items():
                patch.setenv(name, value)
            for secret in service["secrets"]:
                source = compose["secrets"][secret["source"]]["file"]
                patch.setenv(Path(secret["target"]).name, (prepared / source).read_text(encoding="utf-8").strip())
            assert settings.read().model_fields_set


def test_every_secret_is_a_file_named_after_a_setting(compose: Mapping[str, Any]) -> None:
    for role in SETTINGS:
        targets = [Path(secret["target"]) for secret in compose["services"][role]["secrets"]]
        assert {str(target.parent) for target in targets} == {"/run/secrets/contactsync"}
        assert {target.name for target in targets} <= VARIABLES


def test_preparing_again_keeps_every_secret(prepared: Path) -> None:
    before = {path.name: path.read_bytes() for path in (prepared / "secrets").iterdir()}
    subprocess.run(["/bin/sh", prepared / "prepare.sh"], check=True)
    assert {path.name: path.read_bytes() for path in (prepared / "secrets").iterdir()} == before


def test_other_users_of_the_machine_cannot_reach_the_secrets(prepared: Path) -> None:
    assert (prepared / "secrets").stat().st_mode & 0o777 == 0o700
    assert (prepared / "settings.env").stat().st_mode & 0o077 == 0


def test_every_secret_that_is_used_is_made(compose: Mapping[str, Any], prepared: Path) -> None:
    made = {f"secrets/{path.name}" for path in (prepared / "secrets").iterdir()}
    assert {secret["file"] for secret in compose["secrets"].values()} <= made


@pytest.mark.parametrize("role", sorted(SETTINGS))
def test_roles_run_without_rights_and_with_a_read_only_root(compose: Mapping[str, Any], role: str) -> None:
    service = compose["services"][role]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["command"] == [role]


def test_two_workers_share_the_queue(compose: Mapping[str, Any]) -> None:
    assert compose["services"]["sync-worker"]["deploy"]["replicas"] == 2


def test_roles_start_when_the_schema_stands(compose: Mapping[str, Any]) -> None:
    for role in SETTINGS.keys() - {"migrate"}:
        needed = compose["services"][role]["depends_on"]
        assert needed["migrate"] == {"condition": "service_completed_successfully"}
        assert needed["rabbitmq"] == {"condition": "service_healthy"}


def test_health_is_asked_where_the_role_answers(compose: Mapping[str, Any]) -> None:
    for role in SETTINGS.keys() - {"migrate"}:
        settings = SETTINGS[role]
        port = settings.model_fields["worker_admin_port" if role == "sync-worker" else "admin_port"].default
        assert compose["services"][role]["healthcheck"]["test"] == ["CMD", "contactsync", "ready", str(port)]


def test_servers_are_reached_from_inside_alone(compose: Mapping[str, Any]) -> None:
    assert compose["networks"]["inside"] == {"internal": True}
    for server in ("postgresql", "rabbitmq"):
        assert compose["services"][server]["networks"] == ["inside"]
        assert "ports" not in compose["services"][server]
    assert compose["services"]["config-api"]["ports"] == ["127.0.0.1:8080:8080"]
