"""A whole object, read by one bulk query and looked up on disk.

After a lost ledger, say, thousands of lookups cost a handful of calls this way.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from target_salesforce.jobs import Jobs
from target_salesforce.soql import select

SNAPSHOT_S = 600.0
"""How long a snapshot may be used again within a run."""
VALUES_PER_QUERY = 400
"""Values in one query to SQLite."""
ROWS_PER_INSERT = 1000


@dataclass(slots=True)
class Snapshots:
    """The latest snapshot of each object."""

    jobs: Jobs
    monotonic: Callable[[], float]
    _latest: dict[str, tuple[Snapshot, float]] = field(default_factory=dict)

    def covering(self, object_name: str, keys: Sequence[str], names: Sequence[str]) -> Snapshot:
        """A recent snapshot of the fields `names`, to be looked up by `keys`. Raises: CrmError.

        It lacks what this run has written since. The ledger knows that, so nobody looks it up here.
        """
        latest = self._latest.get(object_name)
        if latest is not None:
            snapshot, taken_at = latest
            if snapshot.covers(keys, names) and self.monotonic() - taken_at <= SNAPSHOT_S:
                return snapshot

        snapshot = Snapshot(keys, names)
        has_a_key = [f"{name} != null" for name in keys]
        snapshot.fill(self.jobs.query(object_name, select(names, object_name, has_a_key)))
        self._latest[object_name] = (snapshot, self.monotonic())
        return snapshot


class Snapshot:
    """Records of one object in a SQLite file without a name, which vanishes with the process."""

    def __init__(self, keys: Sequence[str], names: Sequence[str]) -> None:
        self.keys, self.names = tuple(keys), tuple(names)
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._base.close)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, cells TEXT) WITHOUT ROWID")
        self._base.execute("CREATE TABLE names (field TEXT, value TEXT, id TEXT)")

    def covers(self, keys: Sequence[str], names: Sequence[str]) -> bool:
        """Returns True if it can be looked up by these keys and holds these fields."""
        return set(keys) <= set(self.keys) and set(names) <= set(self.names)

    def fill(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Store the records, a thousand at a time."""
        block: list[Mapping[str, str]] = []
        for row in rows:
            block.append(row)
            if len(block) >= ROWS_PER_INSERT:
                self._insert(block)
                block.clear()

        self._insert(block)
        self._base.execute("CREATE INDEX by_name ON names (field, value)")

    def _insert(self, block: Sequence[Mapping[str, str]]) -> None:
        cells = [(row["Id"], json.dumps(row)) for row in block]
        names = [
            (name, row[name].casefold(), row["Id"])
            for row in block
            for name in self.keys
            if row.get(name)
        ]
        self._base.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", cells)
        self._base.executemany("INSERT INTO names VALUES (?, ?, ?)", names)

    def rows(self, field_name: str, values: Sequence[str]) -> Iterator[dict[str, str]]:
        """Records in which the field holds one of the values, compared without case."""
        folded = list(dict.fromkeys(value.casefold() for value in values))
        for start in range(0, len(folded), VALUES_PER_QUERY):
            batch = folded[start : start + VALUES_PER_QUERY]
            marks = ", ".join("?" * len(batch))
            query = (
                "SELECT DISTINCT cells FROM names JOIN rows USING (id) "
                f"WHERE field = ? AND value IN ({marks})"
            )
            for (cells,) in self._base.execute(query, (field_name, *batch)):
                yield json.loads(cells)
