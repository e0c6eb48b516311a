"""The one place where the simulator says that a value may be any JSON."""

from typing import Any

Json = Any
"""A JSON value whose shape is the caller's to check."""
