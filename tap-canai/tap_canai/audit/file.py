"""The audit log as JSON lines in a file for its owner alone."""

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
from typing import Any

from tap_canai.audit.rows import KEPT, NO_CHAIN, Row, beginning, chained, checkpoint, told, verified
from tap_canai.errors import SettingError, TapError
from tap_canai.times import parse_utc

TAIL_BYTES = 64 * 1024
"""More than any row has."""


@dataclass(slots=True)
class AuditFile:
    """One log file, locked while it is written."""

    path: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @contextmanager
    def _open(self) -> Iterator[TextIOWrapper]:
        """The file, locked. Raises: SettingError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise SettingError(
                f"The audit log cannot be written ({error.strerror}).",
                "Set audit_log to a file that can be.",
            ) from None
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def write(self, event: Row) -> None:
        """Append an event. Raises: TapError."""
        with self._open() as file:
            text = file.readline()
            if text:
                first = self._row(text)
                first, last = self._pruned(file, first)
            else:
                first = last = self._append(file, beginning(self.now()), NO_CHAIN)
            self._append(file, told(event, str(first["salt"]), self.now()), str(last["chain"]))
            file.flush()
            os.fsync(file.fileno())

    def verify(self) -> int:
        """The number of lines, whose chain holds. Raises: TapError naming the first line that does not fit."""
        with self._open() as file:
            return verified(self._row(line) for line in file)

    @staticmethod
    def _row(text: str) -> dict[str, Any]:
        """A line's row. Raises: TapError."""
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise TapError(
                "The audit log was changed: a line is no JSON object.", "Compare it with a backup."
            )
        return row

    @staticmethod
    def _append(file: TextIOWrapper, event: Row, before: str) -> dict[str, Any]:
        row = {**event, "chain": chained(before, event)}
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return row

    def _last(self, file: TextIOWrapper) -> dict[str, Any]:
        """The last line's row, without reading the whole file."""
        with open(self.path, "rb") as tail:
            tail.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            return self._row(
                tail.read().decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]
            )

    def _pruned(
        self, file: TextIOWrapper, first: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first and the last row, once the lines older than 12 months gave way to a checkpoint."""
        limit = self.now() - KEPT
        second = file.readline()
        if not second or parse_utc(self._row(second)["at"]) >= limit:
            return first, self._last(file)
        rows = [self._row(second), *(self._row(line) for line in file)]
        old = list(takewhile(lambda row: parse_utc(row["at"]) < limit, rows))
        begun = {**checkpoint(first, len(old), self.now()), "chain": old[-1]["chain"]}
        kept = [begun, *rows[len(old) :]]
        file.seek(0)
        file.truncate()
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
        return begun, kept[-1]
