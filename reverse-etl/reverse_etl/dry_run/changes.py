"""What a dry run would have written, kept on disk while it goes on.

The file has no name that outlives the run, since it holds personal data.
"""

from __future__ import annotations

import pickle  # nosec B403  # see where it reads
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.values import Value

TABLES = """
CREATE TABLE change (
    id INTEGER PRIMARY KEY, object TEXT, key TEXT, kind TEXT, crm_id TEXT, fields BLOB
);
CREATE INDEX change_of_record ON change (object, crm_id);
CREATE TABLE held (object TEXT, field TEXT, value TEXT, crm_id TEXT);
CREATE INDEX held_by_value ON held (object, field, value);
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One write that was planned."""

    object: str
    key: str
    kind: str
    """`create` or `update`."""
    crm_id: str
    fields: Mapping[str, tuple[Any, Any]]
    """By field: the value in the CRM, and the one that it would get."""

    def report(self) -> dict[str, Any]:
        """The change as a JSON object."""
        crm_id = self.crm_id if self.kind == "update" else None
        fields = {
            name: {"old": plain(old), "new": plain(new)} for name, (old, new) in self.fields.items()
        }
        return {
            "object": self.object, "key": self.key, "kind": self.kind, "crm_id": crm_id,
            "fields": fields,
        }  # fmt: skip


def plain(value: object) -> object:
    """A value as JSON takes it: text of a class of its own is text."""
    return str(value) if isinstance(value, str) else value


def temporary_database() -> sqlite3.Connection:
    """A database on disk that SQLite removes when it is closed."""
    base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    base.executescript(TABLES)
    return base


@dataclass(slots=True)
class Changes:
    """The changes of one run, in the order in which they were planned; batches run in threads."""

    _base: sqlite3.Connection = field(default_factory=temporary_database)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Forget everything."""
        self._base.close()

    def add(self, changes: Iterable[Change]) -> None:
        """Note changes."""
        rows = [
            (change.object, change.key, change.kind, change.crm_id, pickle.dumps(change.fields))
            for change in changes
        ]
        insert = "INSERT INTO change (object, key, kind, crm_id, fields) VALUES (?, ?, ?, ?, ?)"
        with self._lock:
            self._base.executemany(insert, rows)

    def hold(self, object_name: str, crm_id: str, values: Mapping[str, str]) -> None:
        """Note values by which a record would be found from now on, by field."""
        rows = [(object_name, name, value, crm_id) for name, value in values.items()]
        with self._lock:
            self._base.executemany("INSERT INTO held VALUES (?, ?, ?, ?)", rows)

    def holders(self, object_name: str, name: str, value: str) -> list[str]:
        """CRM ids of the records that would hold a value."""
        query = "SELECT DISTINCT crm_id FROM held WHERE object = ? AND field = ? AND value = ?"
        return [crm_id for (crm_id,) in self._rows(query, (object_name, name, value))]

    def values(self, object_name: str, crm_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        """What records would hold of the fields that would have been written, by CRM id."""
        query = "SELECT fields FROM change WHERE object = ? AND crm_id = ? ORDER BY id"
        values: dict[str, dict[str, Value]] = {}
        for crm_id in dict.fromkeys(crm_ids):
            for (fields,) in self._rows(query, (object_name, crm_id)):
                now = {name: new for name, (_, new) in unpickled(fields).items()}
                values.setdefault(crm_id, {}).update(now)
        return values

    def __iter__(self) -> Iterator[Change]:
        query = "SELECT object, key, kind, crm_id, fields FROM change ORDER BY id"
        for object_name, key, kind, crm_id, fields in self._base.execute(query):
            yield Change(object_name, key, kind, crm_id, unpickled(fields))

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._base.execute(query, values).fetchall()


def unpickled(fields: bytes) -> dict[str, tuple[Any, Any]]:
    """Fields as they were noted."""
    # This process alone wrote the file, and no other can open it.
    changed: dict[str, tuple[Any, Any]] = pickle.loads(fields)  # noqa: S301  # nosec B301
    return changed
