"""The rows of an upload, on disk: sorted by parent, as CSV files of a limited size.

Salesforce works on pieces of a job in parallel. Rows with the same parent must therefore be next to
each other, or the pieces would lock each other out of the parent.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from reverse_etl.pipeline.batch import parent_key
from reverse_etl.records import Write
from reverse_etl.values import Value, plain_number

NULL = "#N/A"
"""A cell that clears its field; an empty cell leaves the field alone."""


def cell(value: Value) -> str:
    """A canonical value as a cell."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ";".join(value)
    return value if isinstance(value, str) else plain_number(value)


def fits(write: Write) -> bool:
    """Returns True if a row can travel as CSV: a text that reads `#N/A` would clear its field."""
    return not any(value == NULL for value in write.fields.values())


class SortedRows:
    """Rows in a SQLite file without a name, which vanishes with the process."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE rows (parent TEXT, cells TEXT)")
        self._columns: dict[str, None] = {}
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> SortedRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        for file in self._files:
            file.close()

    def add(self, block: Sequence[Write], cells_of: Callable[[Write], Mapping[str, str]]) -> None:
        """Store a block of writes; writes that do not fit are left out."""
        rows = []
        for write in filter(fits, block):
            cells = cells_of(write)
            self._columns |= dict.fromkeys(cells)
            rows.append((parent_key(write), json.dumps(cells)))
        self._base.executemany("INSERT INTO rows VALUES (?, ?)", rows)

    def files(self, limit: int) -> Iterator[IO[bytes]]:
        """CSV files of at most `limit` bytes, each with the header."""
        lines = CsvLines(list(self._columns))
        file: IO[bytes] | None = None
        for (cells,) in self._base.execute("SELECT cells FROM rows ORDER BY parent"):
            line = lines.line(json.loads(cells))
            if file is not None and file.tell() + len(line) > limit:
                yield file
                file = None
            if file is None:
                file = tempfile.TemporaryFile()  # noqa: SIM115  # closed on exit
                self._files.append(file)
                file.write(lines.header)
            file.write(line)
        if file is not None:
            yield file


class CsvLines:
    """Makes lines of CSV with the same columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._text = io.StringIO()
        self._writer = csv.DictWriter(self._text, columns, lineterminator="\n")
        self.header = self.line({column: column for column in columns})

    def line(self, row: Mapping[str, str]) -> bytes:
        """A line, ending with a line feed; columns that the row lacks are empty."""
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(row)
        return self._text.getvalue().encode("utf-8", "surrogatepass")
