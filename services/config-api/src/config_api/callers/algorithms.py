"""Algorithms that may sign a caller's token."""

from typing import Final

ASYMMETRIC: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"}
)
"""What an allow-list may hold: never `none`, never a secret that both sides know."""
