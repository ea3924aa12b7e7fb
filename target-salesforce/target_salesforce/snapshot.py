"""A whole object, read by one bulk query and looked up on disk.

After a lost ledger, say, thousands of lookups cost a handful of calls this way.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reverse_etl.values import FieldInfo

from target_salesforce.fields import compared
from target_salesforce.jobs import Jobs
from target_salesforce.soql import select

SNAPSHOT_S = 600.0
"""How long a snapshot may be used again within a run."""
VALUES_PER_QUERY = 400
"""Values in one query to SQLite."""
ROWS_PER_INSERT = 1000


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a snapshot can be asked."""

    keys: Sequence[str]
    """The fields it can be looked up by."""
    names: Sequence[str]
    """The fields it holds."""
    infos: Mapping[str, FieldInfo]


@dataclass(slots=True)
class Snapshots:
    """The latest snapshot of each object."""

    jobs: Jobs
    monotonic: Callable[[], float]
    _latest: dict[str, tuple[Snapshot, float]] = field(default_factory=dict)

    def covering(self, object_name: str, wanted: Coverage) -> Snapshot:
        """A recent snapshot that has what is wanted. Raises: CrmError.

        It lacks what this run has written since. The ledger knows that, so nobody looks it up here.
        """
        latest = self._latest.get(object_name)
        if latest is not None:
            snapshot, taken_at = latest
            if snapshot.covers(wanted) and self.monotonic() - taken_at <= SNAPSHOT_S:
                return snapshot

        snapshot = Snapshot(wanted)
        has_a_key = [f"{name} != null" for name in wanted.keys]
        query = select(wanted.names, object_name, has_a_key)
        snapshot.fill(self.jobs.query(object_name, query))
        self._latest[object_name] = (snapshot, self.monotonic())
        return snapshot


class Snapshot:
    """Records of one object in a SQLite file without a name, which vanishes with the process."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage = coverage
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._base.close)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, cells TEXT) WITHOUT ROWID")
        self._base.execute("CREATE TABLE names (field TEXT, value TEXT, id TEXT)")

    def covers(self, wanted: Coverage) -> bool:
        """Returns True if it can be looked up by the same keys and holds the same fields."""
        held = self.coverage
        return set(wanted.keys) <= set(held.keys) and set(wanted.names) <= set(held.names)

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
        infos = self.coverage.infos
        cells = [(row["Id"], json.dumps(row)) for row in block]
        names = [
            (name, compared(infos[name], row[name]), row["Id"])
            for row in block
            for name in self.coverage.keys
            if row.get(name)
        ]
        self._base.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", cells)
        self._base.executemany("INSERT INTO names VALUES (?, ?, ?)", names)

    def rows(self, field_name: str, values: Sequence[str]) -> Iterator[dict[str, str]]:
        """Records in which the field holds one of the values, compared as the field does."""
        info = self.coverage.infos[field_name]
        folded = list(dict.fromkeys(compared(info, value) for value in values))
        for start in range(0, len(folded), VALUES_PER_QUERY):
            batch = folded[start : start + VALUES_PER_QUERY]
            marks = ", ".join("?" * len(batch))
            query = (
                # `marks` are question marks alone
                "SELECT DISTINCT cells FROM names JOIN rows USING (id) "  # nosec B608
                f"WHERE field = ? AND value IN ({marks})"
            )
            for (cells,) in self._base.execute(query, (field_name, *batch)):
                yield json.loads(cells)
