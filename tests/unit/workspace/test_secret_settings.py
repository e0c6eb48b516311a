"""Settings never show what is secret in them: whoever prints them, or an error that holds them, gives nothing away."""

from __future__ import annotations

import pytest

from config_api.cli import MigrationSettings
from config_api.settings import ConfigApiSettings
from contactsync.assembly.settings import PrefixedSettings
from sync_worker.settings import SyncWorkerSettings
from tests.contract.state.worlds import KEYS

_CANARY = "canary-of-a-password"
_SECRETS = {
    "database_url": f"postgresql://app:{_CANARY}@127.0.0.1/contactsync",
    "database_direct_url": f"postgresql://app:{_CANARY}@127.0.0.1/contactsync",
    "database_admin_url": f"postgresql://owner:{_CANARY}@127.0.0.1/contactsync",
    "amqp_url": f"amqp://app:{_CANARY}@127.0.0.1/",
    "smtp_url": f"smtps://app:{_CANARY}@127.0.0.1",
    "zoho_client_secret": _CANARY,
    "google_client_secret": _CANARY,
    "oidc_client_secret": _CANARY,
    "keys": KEYS,
}


@pytest.mark.parametrize("kind", [ConfigApiSettings, SyncWorkerSettings, MigrationSettings])
def test_no_secret_is_seen_in_settings(kind: type[PrefixedSettings]) -> None:
    settings = kind.model_validate({name: value for name, value in _SECRETS.items() if name in kind.model_fields})
    for shown in (repr(settings), str(settings)):
        assert _CANARY not in shown
        assert KEYS.partition(":")[2] not in shown
