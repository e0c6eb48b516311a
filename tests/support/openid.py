"""An OpenID provider that is not ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

with warnings.catch_warnings():
    # It uses the deprecated part of authlib; ends when it moves on to joserfc.
    warnings.simplefilter("ignore", DeprecationWarning)
    import oidc_provider_mock  # type: ignore[import-untyped]  # ships no types


@contextmanager
def openid_provider(users: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Serve it on the loopback with these subjects and their claims; yields the issuer."""
    known = tuple(oidc_provider_mock.User(sub=subject, claims=dict(claims)) for subject, claims in users.items())
    with oidc_provider_mock.run_server_in_thread(user_claims=known) as server:
        yield f"http://localhost:{server.server_port}"
