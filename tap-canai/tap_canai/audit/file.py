"""The audit log as JSON lines in a file that only its owner can read."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

from singer_kit.private_files import OWNER_ONLY, make_private_folder, replace_private
from singer_kit.times import parse_utc

from tap_canai.audit.rows import (
    CUT,
    KEPT,
    NO_CHAIN,
    Row,
    beginning,
    chain_after,
    chained,
    changed,
    checkpoint,
    is_cut,
    noted,
    verified,
)
from tap_canai.errors import SettingError

TAIL_BYTES = 64 * 1024
"""More than any two rows have."""


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
        self._prune()
        with self._locked() as file:
            line, head = file.readline(), self._head()
            newest = self._newest(file) if line else []
            first = row_of(line) if line else append(file, beginning(self.now()), NO_CHAIN)
            last = newest[-1] if newest else first
            # the row before counts too: a writer may have been killed before it wrote the head
            cut = is_cut(first, newest, head) if line else bool(head)
            if not cut and head != chain_after(last):
                self._write_head(last)
            for new in [CUT, event] if cut else [event]:
                row = noted(new, str(first["salt"]), self.now())
                last = append(file, row, chain_after(last))
            file.flush()
            os.fsync(file.fileno())
            self._write_head(last)

    def verify(self) -> int:
        """The number of lines, if their chain holds and none is missing at the end.

        Raises: FatalError that names the first line that does not fit.
        """
        with self._locked() as file:
            return verified(map(row_of, file), self._head())

    @property
    def _head_path(self) -> Path:
        """The file that holds the chain of the last line."""
        return self.path.with_name(f"{self.path.name}.head")

    def _head(self) -> str:
        try:
            return self._head_path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""

    def _write_head(self, last: Row) -> None:
        replace_private(self._head_path, f"{chain_after(last)}\n".encode())

    @contextmanager
    def _locked(self) -> Iterator[TextIOWrapper]:
        """The file, which no other process writes meanwhile. Raises: SettingError."""
        try:
            make_private_folder(self.path.parent)
            with self._opened() as file:
                yield file
        except OSError as error:
            raise SettingError(
                f"The audit log cannot be written ({error.strerror}).",
                "Set audit_log to a file that can be.",
            ) from None

    def _opened(self) -> TextIOWrapper:
        """The locked file, unless pruning has just replaced it. Raises: OSError."""
        while True:
            handle = os.open(self.path, os.O_CREAT | os.O_RDWR, OWNER_ONLY)
            file = os.fdopen(handle, "r+", encoding="utf-8")
            fcntl.flock(file, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(self.path)):
                    return file
            file.close()

    def _newest(self, file: TextIOWrapper) -> list[dict[str, Any]]:
        """The rows of the last two lines, without reading the whole file. Raises: FatalError."""
        with open(self.path, "rb") as tail:
            tail.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = tail.read().decode("utf-8", "replace").rstrip("\n").split("\n")
        return [row_of(line) for line in lines[-2:]]

    def _prune(self) -> None:
        """Let a checkpoint take the place of lines older than 12 months. Raises: FatalError."""
        limit = self.now() - KEPT
        with self._locked() as file:
            line, second = file.readline(), file.readline()
            if not second or moment_of(row_of(second)) >= limit:
                return
            rows = [row_of(second), *map(row_of, file)]
            old = list(takewhile(lambda row: moment_of(row) < limit, rows))
            start = checkpoint(row_of(line), len(old), str(old[-1]["chain"]), self.now())
            kept = [{**start, "chain": chained(NO_CHAIN, start)}, *rows[len(old) :]]
            replace_private(self.path, "".join(map(line_of, kept)).encode())


def line_of(row: Row) -> str:
    """A row's line."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def moment_of(row: Row) -> datetime:
    """When a row was written. Raises: FatalError."""
    try:
        return parse_utc(row["at"])
    except (KeyError, ValueError, TypeError):
        raise changed("a line has no time") from None


def row_of(line: str) -> dict[str, Any]:
    """A line's row. Raises: FatalError."""
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise changed("a line is not a JSON object")
    return row


def append(file: TextIOWrapper, event: Row, before: str) -> dict[str, Any]:
    """Append an event behind the chain before; returns its row."""
    row = {**event, "chain": chained(before, event)}
    file.seek(0, os.SEEK_END)
    file.write(line_of(row))
    return row
