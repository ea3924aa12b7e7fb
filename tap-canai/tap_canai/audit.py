"""The audit log: who ran which export with which filter, when, and what came of it. JSON lines, hash-chained.

Each line's `chain` is the SHA-256 of the line before's and of the line itself, so that no line can be changed, taken out
or put in unseen. User ids are salted hashes; the salt is in the log's first line. Lines are kept for 12 months; what is
older gives way to a checkpoint that carries the chain on.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from tap_canai.errors import SettingError, TapError
from tap_canai.times import parse_utc, utc_text

KEPT = timedelta(days=365)
NO_CHAIN = "0" * 64


def chained(before: str, event: Mapping[str, Any]) -> str:
    """The chain after an event."""
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def salted(salt: str, value: str) -> str:
    """A user id as it may be written down."""
    return hashlib.sha256(f"{salt}\n{value}".encode()).hexdigest()[:32]


def user_name() -> str:
    """Who runs this process, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@dataclass(slots=True)
class AuditLog:
    """One log file; several processes may write it."""

    path: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @contextmanager
    def _open(self) -> Iterator[TextIOWrapper]:
        """The file, locked. Raises: SettingError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise SettingError(f"The audit log cannot be written ({error.strerror}).", "Set audit_log to a file that can be.") from None
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def write(self, event: Mapping[str, Any]) -> None:
        """Append an event with its time, who, and chain; user ids among its filters are hashed. Raises: TapError."""
        with self._open() as file:
            lines = [json.loads(line) for line in file]
            if not lines:
                lines = [self._first(file)]
            lines = self._pruned(file, lines)
            filters = dict(event.get("filters") or {})
            if "user_ids" in filters:
                filters["user_ids"] = [salted(str(lines[0]["salt"]), one) for one in filters["user_ids"]]
            told = {"at": utc_text(self.now()), "who": user_name(), **event, "filters": filters}
            self._append(file, told, lines[-1]["chain"])
            file.flush()
            os.fsync(file.fileno())

    def _first(self, file: TextIOWrapper) -> dict[str, Any]:
        return self._append(file, {"at": utc_text(self.now()), "event": "begin", "salt": secrets.token_hex(16)}, NO_CHAIN)

    @staticmethod
    def _append(file: TextIOWrapper, event: Mapping[str, Any], before: str) -> dict[str, Any]:
        line = {**event, "chain": chained(before, event)}
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return line

    def _pruned(self, file: TextIOWrapper, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The lines without those older than 12 months, behind a checkpoint."""
        limit = self.now() - KEPT
        first, body = lines[0], lines[1:]
        old = [line for line in body if parse_utc(line["at"]) < limit]
        if not old:
            return lines
        removed = len(old) + (first["removed"] if first["event"] == "checkpoint" else 1)
        checkpoint = {"at": utc_text(self.now()), "event": "checkpoint", "salt": first["salt"], "removed": removed}
        kept = [{**checkpoint, "chain": old[-1]["chain"]}, *body[len(old) :]]
        file.seek(0)
        file.truncate()
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in kept)
        return kept

    def verify(self) -> int:
        """The number of lines, whose chain holds. Raises: TapError naming the first line that does not fit."""
        with self._open() as file:
            before = NO_CHAIN
            number = 0
            for number, text in enumerate(file, 1):
                line = json.loads(text)
                chain = line.pop("chain", "")
                if number == 1 and line.get("event") == "checkpoint":
                    before = chain
                    continue
                before = chained(before, line)
                if before != chain:
                    raise TapError(f"The audit log was changed: line {number} does not fit the one before.", "Compare it with a backup.")
            return number


def default_path(name: str = "tap-canai") -> Path:
    """Where the log lies: Meltano's folder for what a plugin leaves behind, else the working folder."""
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    return Path(root) / ".meltano" / "run" / name / "audit.jsonl" if root else Path(f"audit-{name}.jsonl")
