"""The Kubernetes files, checked without a cluster: schemas of several versions, and the rules that no schema knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest
from kubernetes_validate.utils import all_versions
from packaging.version import Version
from pydantic import BaseModel
from typer.main import get_command

from config_api.cli import app as config_api
from config_api.notices.mail import mail_server
from contactsync.assembly.settings import PREFIX
from sync_worker.settings import SyncWorkerSettings
from tests.unit.deploy.keda import ScaledObject, TriggerAuthentication
from tests.unit.deploy.rendered import ROOT, Pod, documents, of_kind, pods
from tests.unit.deploy.roles import SETTINGS, VARIABLES

# `preStop.sleep` came with 1.30. The oldest, the middle and the newest: fields come and go with versions in between.
_SUPPORTED = [version for version in all_versions() if Version(version) >= Version("1.30")]
VERSIONS = (_SUPPORTED[0], _SUPPORTED[len(_SUPPORTED) // 2], _SUPPORTED[-1])
KEDA: dict[str, type[BaseModel]] = {"ScaledObject": ScaledObject, "TriggerAuthentication": TriggerAuthentication}
ROLES = sorted(SETTINGS)


def pod_of(role: str) -> Pod:
    (found,) = (pod for pod in pods() if pod.role == role)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_in_every_supported_version(version: str) -> None:
    for document in documents():
        if document["kind"] not in KEDA:
            kubernetes_validate.validate(document, version, strict=True)


def test_kedas_objects_are_valid() -> None:
    seen = [KEDA[document["kind"]].model_validate(document) for document in documents() if document["kind"] in KEDA]
    assert len(seen) == len(KEDA)


def test_there_is_one_pod_for_each_role() -> None:
    assert sorted(pod.role for pod in pods()) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_pods_meet_the_restricted_standard(role: str) -> None:
    """Kubernetes, "Pod Security Standards", Restricted."""
    pod = pod_of(role)
    security = pod.spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] >= 10_000
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    container = pod.container["securityContext"]
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)
    assert {kind for volume in pod.spec["volumes"] for kind in volume if kind != "name"} == {"projected"}


@pytest.mark.parametrize("role", ROLES)
def test_pods_hold_no_token_of_the_cluster_and_an_account_of_their_own(role: str) -> None:
    pod = pod_of(role)
    assert pod.spec["automountServiceAccountToken"] is False
    (account,) = (
        account
        for account in of_kind("ServiceAccount")
        if account["metadata"]["name"] == pod.spec["serviceAccountName"]
    )
    assert account["automountServiceAccountToken"] is False
    assert pod.spec["serviceAccountName"] == f"contactsync-{role}"


@pytest.mark.parametrize("role", ROLES)
def test_memory_is_asked_for_as_it_is_limited(role: str) -> None:
    resources = pod_of(role).container["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert "cpu" not in resources["limits"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_starts_with_the_settings_that_its_pod_finds(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = pod_of(role)
    given = {**pod.environment(), **pod.secrets()}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = SETTINGS[role].read()
    assert settings.model_fields_set


@pytest.mark.parametrize("role", ROLES)
def test_secrets_are_files_and_everything_else_is_environment(role: str) -> None:
    pod = pod_of(role)
    secret = re.compile(r"SECRET|KEYS$|DATABASE|AMQP_URL|SMTP_URL")
    assert not [name for name in pod.environment() if secret.search(name)]
    assert all(secret.search(name) for name in pod.secrets())
    assert "env" not in pod.container


def test_every_variable_that_is_set_is_a_setting_of_some_role() -> None:
    given = {name for pod in pods() for name in {**pod.environment(), **pod.secrets()}}
    assert given <= VARIABLES


def test_the_schemas_owner_is_known_to_the_migration_alone() -> None:
    holders = [pod.role for pod in pods() if f"{PREFIX}DATABASE_ADMIN_URL" in pod.secrets()]
    assert holders == ["migrate"]
    assert list(pod_of("migrate").secrets()) == [f"{PREFIX}DATABASE_ADMIN_URL"]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "migrate"])
def test_probes_ask_the_port_on_which_the_role_listens(role: str) -> None:
    pod = pod_of(role)
    settings = SETTINGS[pod.role].model_validate({**_fields(pod.environment()), **_fields(pod.secrets())})
    admin = (
        settings.worker_admin_port if isinstance(settings, SyncWorkerSettings) else settings.model_dump()["admin_port"]
    )
    (port,) = (port for port in pod.container["ports"] if port["name"] == "admin")
    assert port["containerPort"] == admin
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert pod.container[probe]["httpGet"] == {"path": path, "port": "admin"}


def test_a_worker_is_given_the_time_that_it_takes_to_end() -> None:
    pod = pod_of("sync-worker")
    settings = SyncWorkerSettings.model_validate({**_fields(pod.environment()), **_fields(pod.secrets())})
    assert pod.spec["terminationGracePeriodSeconds"] >= settings.drain_grace.total_seconds() + 30


def test_the_interface_stays_open_until_proxies_know_that_it_ends() -> None:
    assert pod_of("config-api").container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_every_role_that_stays_may_lose_one_pod_at_a_time() -> None:
    budgets = {
        budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]: budget["spec"]["maxUnavailable"]
        for budget in of_kind("PodDisruptionBudget")
    }
    assert budgets == {pod.role: 1 for pod in pods() if pod.stays}


def test_what_is_scaled_names_no_number_of_its_own() -> None:
    scaled = {
        scaler["spec"]["scaleTargetRef"]["name"]
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for scaler in of_kind(kind)
    }
    assert scaled == {"contactsync-config-api", "contactsync-sync-worker"}
    for deployment in of_kind("Deployment"):
        assert ("replicas" in deployment["spec"]) is (deployment["metadata"]["name"] not in scaled)


def test_a_worker_whose_slots_are_all_taken_counts_as_busy() -> None:
    (scaler,) = of_kind("ScaledObject")
    slots = int(pod_of("sync-worker").environment()[f"{PREFIX}WORKER_SLOTS"])
    for trigger in scaler["spec"]["triggers"]:
        assert trigger["metadata"]["excludeUnacknowledged"] == "false"
        assert int(trigger["metadata"]["value"]) < slots


def test_scalers_find_the_brokers_address() -> None:
    (authentication,) = of_kind("TriggerAuthentication")
    (reference,) = authentication["spec"]["secretTargetRef"]
    (secret,) = (secret for secret in of_kind("Secret") if secret["metadata"]["name"] == reference["name"])
    assert reference["key"] in secret["data"]


def test_nothing_comes_or_goes_but_what_a_policy_names() -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind("NetworkPolicy")}
    closed = policies.pop("contactsync-deny-all")
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(closed)
    for name, policy in policies.items():
        for rule in (*policy.get("ingress", ()), *policy.get("egress", ())):
            assert rule.get("from") or rule.get("to"), name
            assert rule["ports"], name


@pytest.mark.parametrize(
    ("component", "reached"),
    [
        ("config-api", {53, 5432, 443}),
        ("relay", {53, 5432, 5671, 5672}),
        (
            "scheduler",
            {53, 5432, 443, *(mail_server(f"{scheme}://mail.example.com").port for scheme in ("smtp", "smtps"))},
        ),
        ("sync-worker", {53, 5432, 5671, 5672, 443}),
        ("migrate", {53, 5432}),
    ],
)
def test_each_role_reaches_what_it_works_with_and_nothing_else(component: str, reached: set[int]) -> None:
    """The scheduler renews channels, calls webhooks and hands in letters; the relay alone publishes."""
    labels = {"app.kubernetes.io/name": "contactsync", "app.kubernetes.io/component": component}
    open_to = {
        port["port"]
        for policy in of_kind("NetworkPolicy")
        if _selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", ())
        for port in rule["ports"]
    }
    assert open_to == reached


def test_what_is_open_to_the_internet_is_open_by_either_protocol_and_to_no_inner_address() -> None:
    for policy in of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("egress", ()):
            blocks = {block["cidr"]: set(block["except"]) for peer in rule["to"] if (block := peer.get("ipBlock"))}
            if blocks:
                assert set(blocks) == {"0.0.0.0/0", "::/0"}, policy["metadata"]["name"]
                assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= blocks["0.0.0.0/0"]
                assert {"::1/128", "fc00::/7", "fe80::/10"} <= blocks["::/0"]


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions", ())
    assert all(one["operator"] == "In" for one in expressions)
    return selector["matchLabels"].items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def test_commands_are_those_of_the_image_and_of_the_services() -> None:
    entrypoint = (ROOT / "deploy/images/entrypoint.sh").read_text(encoding="utf-8")
    commands = getattr(get_command(config_api), "commands")  # noqa: B009  typer types it as a plain command
    for pod in pods():
        (role,) = pod.container["args"]
        assert re.search(rf"^{role}\)|[| ]*\b{role}\b.*\)$", entrypoint, re.MULTILINE), role
        if role not in {"config-api", "sync-worker"}:
            assert role in commands
    assert "api" in commands


def _fields(variables: dict[str, str]) -> dict[str, str]:
    """Names as the settings classes have them."""
    return {name.removeprefix(PREFIX).lower(): value for name, value in variables.items()}
