"""Writes what documents repeat from the code: `python tools/reference.py`, or `make docs`.

The tables of settings and of metrics in docs/operations.md, each between its two markers, and .env.example.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from config_api.cli import MigrationSettings
from config_api.settings import ConfigApiSettings
from contactsync.assembly.settings import PREFIX, CommonSettings, PrefixedSettings
from contactsync.telemetry import metrics
from sync_worker.settings import SyncWorkerSettings

_ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = _ROOT / "docs/operations.md"
EXAMPLE = _ROOT / ".env.example"
_READERS: Mapping[str, type[PrefixedSettings]] = {
    "all roles but migrate": CommonSettings,
    "config-api, relay, scheduler": ConfigApiSettings,
    "sync-worker": SyncWorkerSettings,
    "migrate": MigrationSettings,
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def written() -> Mapping[Path, str]:
    """What each file ought to hold."""
    operations = OPERATIONS.read_text(encoding="utf-8")
    for name, table in (("settings", _settings_table()), ("metrics", _metrics_table())):
        before, _, rest = operations.partition(f"<!-- {name} -->\n")
        after = rest.partition(f"<!-- /{name} -->")[2]
        operations = f"{before}<!-- {name} -->\n\n{table}\n\n<!-- /{name} -->{after}"
    return {OPERATIONS: operations, EXAMPLE: _example()}


def settings() -> Iterator[tuple[str, str, FieldInfo]]:
    """Who reads it, name and field of every setting; what all services read comes once."""
    for reader, kind in _READERS.items():
        for name, field in kind.model_fields.items():
            if kind is CommonSettings or name not in CommonSettings.model_fields:
                yield reader, f"{PREFIX}{name.upper()}", field


def _settings_table() -> str:
    rows = ["| variable | default | read by | meaning |", "|---|---|---|---|"]
    for reader, name, field in settings():
        default = "required" if field.is_required() else f"`{text}`" if (text := _default(field)) else ""
        rows.append(f"| `{name}` | {default} | {reader} | {field.description} |")
    return "\n".join(rows)


def _metrics_table() -> str:
    rows = ["| metric | labels | meaning |", "|---|---|---|"]
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(metric._labelnames)  # noqa: SLF001  the library tells them nowhere else
            rows.append(f"| `{name}` | {labels} | {family.documentation} |")
    return "\n".join(rows)


def _example() -> str:
    lines = [
        "# Every setting with its default. What is empty or left out is not set; each may be a file instead, of that",
        "# name, in /run/secrets/contactsync. Durations: 90, 90s, 15m, 24h, 30d.",
    ]
    last = ""
    for reader, name, field in settings():
        if reader != last:
            lines += ["", f"# --- {reader} ".ljust(119, "-")]
            last = reader
        lines += [f"# {field.description}{' [required]' if field.is_required() else ''}", f"{name}={_default(field)}"]
    return "\n".join([*lines, ""])


def _default(field: FieldInfo) -> str:
    value = None if field.is_required() else field.default
    match value:
        case None | SecretStr():
            return ""
        case timedelta():
            seconds = int(value.total_seconds())
            size, unit = next(unit for unit in _UNITS if seconds % unit[0] == 0)
            return f"{seconds // size}{unit}"
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(_ROOT)}")
