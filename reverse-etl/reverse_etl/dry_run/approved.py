"""The changes of an approved plan, kept on disk while they are applied.

The file has no name that outlives the run, since it holds personal data.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

TABLES = """
CREATE TABLE approved (object TEXT, key TEXT, planned_id TEXT, change BLOB);
CREATE INDEX approved_by_key ON approved (object, key);
CREATE INDEX approved_by_id ON approved (planned_id);
"""
KEYS_AT_A_TIME = 500


@dataclass(slots=True)
class ApprovedRecord:
    """What a plan does to one record; it may write it more than once."""

    kinds: set[str] = field(default_factory=set)
    """`create`, `update`."""
    crm_ids: set[str] = field(default_factory=set)
    """Where it is updated; of a record that the plan creates, an id of the plan."""
    values: dict[str, list[Any]] = field(default_factory=dict)
    """By field: the values that it gets."""
    before: dict[str, list[Any]] = field(default_factory=dict)
    """By field: the values that it has until then."""

    def add(self, change: Mapping[str, Any]) -> None:
        """One more write of this record."""
        self.kinds.add(change["kind"])
        self.crm_ids.add(str(change["planned_id"]))
        for name, value in change["fields"].items():
            self.values.setdefault(name, []).append(value["new"])
            self.before.setdefault(name, []).append(value["old"])


def temporary_database() -> sqlite3.Connection:
    """A database on disk that SQLite removes when it is closed."""
    base = sqlite3.connect("", isolation_level=None)
    base.executescript(TABLES)
    return base


@dataclass(slots=True)
class ApprovedChanges:
    """The changes of a plan, found by record."""

    _base: sqlite3.Connection = field(default_factory=temporary_database)

    def close(self) -> None:
        """Forget everything."""
        self._base.close()

    def add(self, changes: Iterable[bytes]) -> None:
        """Keep changes, each a JSON object. Raises: ValueError, TypeError, KeyError."""
        self._base.executemany("INSERT INTO approved VALUES (?, ?, ?, ?)", map(row, changes))

    def of(self, object_name: str, keys: Collection[str]) -> dict[str, ApprovedRecord]:
        """What the plan does to records of an object, by key."""
        records: dict[str, ApprovedRecord] = {}
        query = "SELECT key, change FROM approved WHERE object = ? AND key IN ({}) ORDER BY rowid"
        for part in parts(keys):
            marks = ", ".join("?" * len(part))
            for key, change in self._base.execute(query.format(marks), (object_name, *part)):
                records.setdefault(key, ApprovedRecord()).add(loaded(change))
        return records

    def created(self, planned_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """Object and key of records that the plan creates, by the ids that it gave them."""
        query = "SELECT planned_id, object, key FROM approved WHERE planned_id IN ({})"
        found: dict[str, tuple[str, str]] = {}
        for part in parts(planned_ids):
            rows = self._base.execute(query.format(", ".join("?" * len(part))), part)
            found |= {planned_id: (object_name, key) for planned_id, object_name, key in rows}
        return found


def row(change: bytes) -> tuple[str, str, str, bytes]:
    """A change as it is kept. Raises: ValueError, TypeError, KeyError."""
    read = loaded(change)
    return read["object"], read["key"], read["planned_id"], change


def loaded(change: bytes) -> dict[str, Any]:
    """A change, with numbers as they were written. Raises: ValueError."""
    read: dict[str, Any] = json.loads(change, parse_float=Decimal)
    return read


def parts(values: Collection[str]) -> Iterator[list[str]]:
    """Values in parts that a query can hold."""
    every = list(values)
    for start in range(0, len(every), KEYS_AT_A_TIME):
        yield every[start : start + KEYS_AT_A_TIME]
