"""KEDA's objects, as far as we use them; an unknown or misspelt field is an error.

Source: KEDA 2, "ScaledObject specification", "TriggerAuthentication", "RabbitMQ Queue" scaler.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contactsync.ports.queue import Lane


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Metadata(_Strict):
    name: str
    namespace: str
    labels: dict[str, str]


class _Stabilisation(_Strict):
    stabilizationWindowSeconds: int = Field(ge=0, le=3600)  # noqa: N815  the field's own name


class _Behavior(_Strict):
    scaleDown: _Stabilisation  # noqa: N815


class _HpaConfig(_Strict):
    behavior: _Behavior


class _Advanced(_Strict):
    horizontalPodAutoscalerConfig: _HpaConfig  # noqa: N815


class _Name(_Strict):
    name: str


class _Fallback(_Strict):
    failureThreshold: int = Field(ge=1)  # noqa: N815
    replicas: int = Field(ge=1)


class _RabbitMetadata(_Strict):
    """Every value is text."""

    protocol: Literal["http"]
    queueName: Lane  # noqa: N815
    mode: Literal["QueueLength", "MessageRate"]
    value: str = Field(pattern=r"^\d+$")
    excludeUnacknowledged: Literal["true", "false"]  # noqa: N815


class Trigger(_Strict):
    """Of the RabbitMQ scaler."""

    type: Literal["rabbitmq"]
    metadata: _RabbitMetadata
    authenticationRef: _Name  # noqa: N815


class _ScaledObjectSpec(_Strict):
    scaleTargetRef: _Name  # noqa: N815
    minReplicaCount: int = Field(ge=0)  # noqa: N815
    maxReplicaCount: int = Field(ge=1)  # noqa: N815
    pollingInterval: int = Field(ge=1)  # noqa: N815
    fallback: _Fallback
    advanced: _Advanced
    triggers: list[Trigger] = Field(min_length=1)


class ScaledObject(_Strict):
    """What is scaled, and by what."""

    apiVersion: Literal["keda.sh/v1alpha1"]  # noqa: N815
    kind: Literal["ScaledObject"]
    metadata: _Metadata
    spec: _ScaledObjectSpec


class _SecretKey(_Strict):
    parameter: Literal["host"]
    name: str
    key: str


class _AuthenticationSpec(_Strict):
    secretTargetRef: list[_SecretKey] = Field(min_length=1)  # noqa: N815


class TriggerAuthentication(_Strict):
    """Where a trigger's secrets are."""

    apiVersion: Literal["keda.sh/v1alpha1"]  # noqa: N815
    kind: Literal["TriggerAuthentication"]
    metadata: _Metadata
    spec: _AuthenticationSpec
