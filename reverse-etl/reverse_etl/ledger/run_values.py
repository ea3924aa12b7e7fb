"""Values of masked rows, for the run that masked them: the ledger itself keeps none.

So a run ends as it would without a mask. What it leaves open waits for the record to come again.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reverse_etl.ledger.database import to_json
from reverse_etl.ledger.versions import Version


class Values(NamedTuple):
    """What a row says of its record."""

    record: Mapping[str, Any] | None
    earlier: tuple[Version, ...]


@dataclass(slots=True)
class RunValues:
    """A temporary database, gone with the process: SQLite keeps it in a file without a name."""

    _base: sqlite3.Connection = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.execute(
            "CREATE TABLE held (row TEXT PRIMARY KEY, observed_us INTEGER, content TEXT)"
        )

    def keep(self, row: Sequence[str], observed_us: int, values: Values) -> None:
        """Keep what a row says, in place of what it said before."""
        record = None if values.record is None else dict(values.record)
        content = to_json([record, [version.packed() for version in values.earlier]])
        with self._lock:
            self._base.execute(
                "INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (to_json(row), observed_us, content)
            )

    def of(self, row: Sequence[str], observed_us: int) -> Values:
        """What a row says; nothing if another run has written it, or another version, since."""
        query = "SELECT content FROM held WHERE row = ? AND observed_us = ?"
        with self._lock:
            found = self._base.execute(query, (to_json(row), observed_us)).fetchone()
        if found is None:
            return Values(None, ())
        record, earlier = json.loads(found[0])
        return Values(record, Version.unpacked(earlier))

    def drop(self, row: Sequence[str]) -> None:
        """Forget what a row said: it is done."""
        with self._lock:
            self._base.execute("DELETE FROM held WHERE row = ?", (to_json(row),))

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
