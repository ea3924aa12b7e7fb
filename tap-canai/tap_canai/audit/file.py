"""The audit log as JSON lines in a file that only its owner can read."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from singer_kit.private_files import OWNER_ONLY, make_private_folder
from singer_kit.times import parse_utc

from tap_canai.audit.rows import (
    KEPT,
    NO_CHAIN,
    Row,
    beginning,
    chained,
    checkpoint,
    noted,
    verified,
)
from tap_canai.errors import FatalError, SettingError

TAIL_BYTES = 64 * 1024
"""More than any row has."""


@dataclass(slots=True)
class AuditFile:
    """A log file, opened and locked for each write."""

    path: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def close(self) -> None:
        """Does nothing: no write leaves the file open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, event: Row) -> None:
        """Append an event. Raises: FatalError."""
        with self._locked() as file:
            line = file.readline()
            if line:
                first, last = self._pruned(file, row_of(line))
            else:
                first = last = append(file, beginning(self.now()), NO_CHAIN)
            append(file, noted(event, str(first["salt"]), self.now()), str(last["chain"]))
            file.flush()
            os.fsync(file.fileno())

    def verify(self) -> int:
        """The number of lines, if their chain holds.

        Raises: FatalError that names the first line that does not fit.
        """
        with self._locked() as file:
            return verified(map(row_of, file))

    @contextmanager
    def _locked(self) -> Iterator[TextIOWrapper]:
        """The file, which no other process writes meanwhile. Raises: SettingError."""
        try:
            make_private_folder(self.path.parent)
            handle = os.open(self.path, os.O_CREAT | os.O_RDWR, OWNER_ONLY)
        except OSError as error:
            raise SettingError(
                f"The audit log cannot be written ({error.strerror}).",
                "Set audit_log to a file that can be.",
            ) from None
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _last(self, file: TextIOWrapper) -> dict[str, Any]:
        """The last line's row, without reading the whole file."""
        with open(self.path, "rb") as tail:
            tail.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = tail.read().decode("utf-8", "replace").rstrip("\n")
        return row_of(lines.rpartition("\n")[2])

    def _pruned(
        self, file: TextIOWrapper, first: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first and the last row, after lines older than 12 months gave way to a checkpoint."""
        limit = self.now() - KEPT
        second = file.readline()
        if not second or parse_utc(row_of(second)["at"]) >= limit:
            return first, self._last(file)
        rows = [row_of(second), *map(row_of, file)]
        old = list(takewhile(lambda row: parse_utc(row["at"]) < limit, rows))
        start = {**checkpoint(first, len(old), self.now()), "chain": old[-1]["chain"]}
        kept = [start, *rows[len(old) :]]
        file.seek(0)
        file.truncate()
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        return start, kept[-1]


def row_of(line: str) -> dict[str, Any]:
    """A line's row. Raises: FatalError."""
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise FatalError(
            "The audit log was changed: a line is not a JSON object.", "Compare it with a backup."
        )
    return row


def append(file: TextIOWrapper, event: Row, before: str) -> dict[str, Any]:
    """Append an event behind the chain before; returns its row."""
    row = {**event, "chain": chained(before, event)}
    file.seek(0, os.SEEK_END)
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return row
