"""What people do in the CRM by hand, for the control interface: create, edit, delete, restore, merge, lock.

Edits by hand reach notification channels as API writes do. They start no workflow rule, so that its counter
counts API writes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulators.zoho import times
from simulators.zoho.errors import ItemError
from simulators.zoho.fields import FieldSet
from simulators.zoho.jsonvalue import Json
from simulators.zoho.organisation import Organisation
from simulators.zoho.records import DeletedKind, Record, RecordStore, fold
from simulators.zoho.values import kept
from simulators.zoho.world import World

_TIMES: Final = ("Created_Time", "Modified_Time")


class EditError(ValueError):
    """A hand edit that the CRM would not let a person make: which field, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Hand:
    """A person at work in one module: `by` is the user, `at` the second, `base_url` the CRM's address."""

    world: World
    org: Organisation
    module: str
    by: str
    at: int
    base_url: str

    @property
    def store(self) -> RecordStore:
        """The module's records."""
        return self.org.stores[self.module]

    @property
    def fields(self) -> FieldSet:
        """The module's fields."""
        return self.org.fields[self.module]

    def create(self, rows: Sequence[dict[str, Any]]) -> list[str]:
        """Ids of the new records, in order. Company names become accounts; times and owner may be given."""
        return [self._create(row, f"records.{number}") for number, row in enumerate(rows)]

    def edit(self, record_id: str, values: dict[str, Any], path: str = "values") -> Record:
        """The record after the change; None empties a field."""
        record = self._live(record_id).copy()
        clean = self._clean(values, path)
        _apply(record, clean)
        record.owner = str(values.get("Owner", record.owner))
        record.modified, record.modified_by = _second(values, "Modified_Time", self.at), self.by
        self.store.put(record, now=self.world.now)
        self._tell("update", record, list(clean))
        return record

    def delete(self, ids: Iterable[str], kind: DeletedKind | None = "recycle") -> None:
        """Into the recycle bin, or away for good."""
        for record_id in ids:
            self._live(record_id)
            record = self.store.remove(record_id, by=self.by, now=self.at, kind=kind)
            self._tell("delete", record, [])

    def restore(self, ids: Iterable[str]) -> None:
        """Out of the recycle bin: the same id and values, a new modification time."""
        for record_id in ids:
            entry = self.store.binned(record_id, self.at)
            if entry is None:
                raise EditError("ids", f"{record_id} is not in the recycle bin")
            record = entry.record.copy()
            record.modified, record.modified_by = self.at, self.by
            self.store.put(record, now=self.world.now)
            self._tell("insert", record, [])

    def purge(self, ids: Iterable[str]) -> None:
        """Out of the recycle bin, for good."""
        for record_id in ids:
            if not self.store.purge(record_id, by=self.by, now=self.at):
                raise EditError("ids", f"{record_id} is not in the recycle bin")

    def merge(self, winner_id: str, loser_ids: Sequence[str]) -> Record:
        """The winner with its empty fields filled from the losers, which vanish as the settings say."""
        winner = self._live(winner_id).copy()
        for loser_id in loser_ids:
            for name, value in self._live(loser_id).values.items():
                winner.values.setdefault(name, value)
        appear = self.world.settings.merged_appear_as
        self.delete(loser_ids, None if appear == "nothing" else appear)
        winner.modified, winner.modified_by = self.at, self.by
        self.store.put(winner, now=self.world.now)
        self._tell("update", winner, list(winner.values))
        return winner

    def mark(self, ids: Iterable[str], **marks: Json) -> None:
        """Set `locked`, `approved`, `hidden_from` or `read_only_for`; the modification time stays."""
        for record_id in ids:
            record = self._live(record_id).copy()
            for name, value in marks.items():
                setattr(record, name, frozenset(value) if isinstance(value, list) else value)
            self.store.put(record, now=self.world.now)

    def _create(self, row: dict[str, Any], path: str) -> str:
        values = self._clean(row, path)
        created = _second(row, "Created_Time", self.at)
        modified = _second(row, "Modified_Time", max(created, self.at) if "Created_Time" not in row else created)
        owner = str(row.get("Owner", self.by))
        record = Record(self.org.new_id(), {}, owner, self.by, self.by, min(created, modified), modified)
        _apply(record, values)
        self.store.put(record, now=self.world.now)
        self._tell("insert", record, list(values))
        return record.id

    def _clean(self, row: dict[str, Any], path: str) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for name, value in row.items():
            if name in _TIMES or name == "Owner":
                continue
            one = self.fields.get(name)
            if one is None or one.read_only:
                raise EditError(f"{path}.{name}", "no field that people can write")
            if one.lookup == "Accounts" and isinstance(value, str) and not value.isdigit():
                clean[name] = self._account(value)
                continue
            try:
                clean[name] = kept(self.org, one, value, f"{path}.{name}")
            except ItemError as problem:
                raise EditError(f"{path}.{name}", f"{problem.code} {problem.details}") from problem
        return clean

    def _account(self, name: str) -> str:
        accounts = self.org.stores["Accounts"]
        for holder in accounts.holders("Account_Name", name):
            if fold(holder.values["Account_Name"]) == fold(name):
                return holder.id
        account = Record(self.org.new_id(), {"Account_Name": name}, self.by, self.by, self.by, self.at, self.at)
        accounts.put(account, now=self.world.now)
        return account.id

    def _live(self, record_id: str) -> Record:
        record = self.store.get(record_id)
        if record is None:
            raise EditError("ids", f"{record_id} is no {self.module} record")
        return record

    def _tell(self, operation: str, record: Record, names: list[str]) -> None:
        self.world.channels.notify(self.org, self.module, operation, record, names, self.base_url)


def _apply(record: Record, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if value is None:
            record.values.pop(name, None)
        else:
            record.values[name] = value


def _second(row: dict[str, Any], name: str, default: int) -> int:
    if name not in row:
        return default
    moment = times.parse(str(row[name]))
    if moment is None:
        raise EditError(name, "a time like 2026-03-01T10:00:00+00:00 is needed")
    return moment
