"""The roles of the image and the settings that each reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config_api.cli import MigrationSettings
from config_api.settings import ConfigApiSettings
from contactsync.assembly.settings import PREFIX, PrefixedSettings
from sync_worker.settings import SyncWorkerSettings

SETTINGS: Final[Mapping[str, type[PrefixedSettings]]] = {
    "config-api": ConfigApiSettings,
    "relay": ConfigApiSettings,
    "scheduler": ConfigApiSettings,
    "sync-worker": SyncWorkerSettings,
    "migrate": MigrationSettings,
}
VARIABLES: Final = frozenset(
    f"{PREFIX}{field.upper()}" for settings in SETTINGS.values() for field in settings.model_fields
)
"""Every variable that some role reads."""
