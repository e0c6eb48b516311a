"""The example overlay as kubectl renders it, and the settings that its pods find."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
OVERLAY = ROOT / "deploy/k8s/overlays/example"
SECRETS_DIR = "/run/secrets/contactsync"
Document = Mapping[str, Any]


@cache
def documents() -> tuple[Document, ...]:
    """All of them, in kubectl's order."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", OVERLAY], check=True, capture_output=True, text=True)
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(kind: str) -> Iterator[Document]:
    """Those of a kind."""
    return (document for document in documents() if document["kind"] == kind)


@dataclass(frozen=True)
class Pod:
    """One role's pod: its name, whether it stays, its specification."""

    role: str
    stays: bool
    spec: Document

    @property
    def container(self) -> Document:
        (container,) = self.spec["containers"]
        assert isinstance(container, Mapping)
        return container

    def environment(self) -> dict[str, str]:
        """Variables from the ConfigMaps that the container names."""
        maps = {item["metadata"]["name"]: item["data"] for item in of_kind("ConfigMap")}
        found: dict[str, str] = {}
        for source in self.container["envFrom"]:
            found.update(maps[source["configMapRef"]["name"]])
        return found

    def secrets(self) -> dict[str, str]:
        """Files in the directory of secrets."""
        (mount,) = (mount for mount in self.container["volumeMounts"] if mount["mountPath"] == SECRETS_DIR)
        (volume,) = (volume for volume in self.spec["volumes"] if volume["name"] == mount["name"])
        stored = {item["metadata"]["name"]: item["data"] for item in of_kind("Secret")}
        found: dict[str, str] = {}
        for source in volume["projected"]["sources"]:
            for name, value in stored[source["secret"]["name"]].items():
                found[name] = base64.b64decode(value).decode()
        return found


def pods() -> list[Pod]:
    """A pod for each role."""
    return [
        Pod(
            role=document["metadata"]["labels"]["app.kubernetes.io/component"],
            stays=document["kind"] == "Deployment",
            spec=document["spec"]["template"]["spec"],
        )
        for document in documents()
        if document["kind"] in {"Deployment", "Job"}
    ]
