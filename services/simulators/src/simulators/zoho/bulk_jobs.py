"""The exports that organisations have asked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """One export; its rows are those of the moment at which it was asked for."""

    id: str
    user_id: str
    query: dict[str, Any]
    created: int
    content: bytes
    count: int
    page: int
    more: bool


@dataclass(slots=True)
class BulkJobs:
    """All jobs, and when results were downloaded, by organisation."""

    jobs: dict[str, Job] = field(default_factory=dict)
    downloads: dict[str, deque[int]] = field(default_factory=dict)
