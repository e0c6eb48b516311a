"""What both simulators can be told: one strict model each, changed while they run."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class SimulatorSettings(BaseModel):
    """Settings that every simulator has; each vendor adds its own. Names that do not exist are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    """Start of every random choice of the simulator: ids, shuffles, faults with a probability."""
    latency_scale: float = Field(default=0.0, ge=0)
    """Factor on the latency table: 0 answers at once, 1 takes as long as the vendor does."""
    latency_s: dict[str, float] = Field(default_factory=dict)
    """Seconds for each operation; the key `*` covers the rest. Added to the vendor's own table, key by key."""

    def default_latency_s(self) -> dict[str, float]:
        """The vendor's own table, by operation; `*` covers the rest."""
        return {}

    def latency_of(self, operation: str) -> float:
        """Seconds that an answer of `operation` takes, scaled."""
        if not self.latency_scale:
            return 0.0
        table = self.default_latency_s() | self.latency_s
        return table.get(operation, table.get("*", 0.0)) * self.latency_scale

    def changed(self, changes: dict[str, object]) -> Self:
        """These settings with `changes`; a mapping is merged key by key. Raises pydantic.ValidationError."""
        values = self.model_dump()
        for name, value in changes.items():
            old = values.get(name)
            values[name] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        return type(self).model_validate(values)
