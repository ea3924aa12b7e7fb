"""The platform in memory: the source's rows and the exports made of them, and what changes them."""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.canai.analytics import days
from sandbox.canai.errors import UnknownRowError
from sandbox.canai.fields import PRIMARY_KEYS, RECORD_SETS, REPLICATION_KEYS
from sandbox.canai.fixtures import user_rows
from sandbox.canai.users import BUSINESS_TYPES, Row, just_registered
from sandbox.clock import Clock, iso

FILE_LIFETIME = timedelta(hours=48)
CHUNK_BYTES = 100_000_000
"""Files above this are cut into chunks."""
ASYNC_BYTES = 20_000_000
"""Exports above this are answered 202 first."""


@dataclass(frozen=True, slots=True)
class PlatformSettings:
    """How much data there is, from which seed, and how exports are delivered."""

    users: int
    seed: int
    origin: str
    """Scheme, host and port that the files of deliverables are served from."""
    chunk_bytes: int = CHUNK_BYTES
    async_bytes: int = ASYNC_BYTES


@dataclass(frozen=True, slots=True)
class Change:
    """A change to rows of a stream: those of `ids`, or `n` of them at random."""

    stream: str = "users"
    n: int | None = None
    ids: list[str] | None = None
    values: dict[str, Any] | None = None
    """What is set; by default, users get another business type."""
    touch: bool = True
    """False leaves the replication key as it is."""
    late_s: float = 0
    """How far the replication key is behind the clock."""


class Source:
    """Rows of the record sets by id, each a dict in the order of the API's fields."""

    def __init__(self, clock: Clock, settings: PlatformSettings) -> None:
        self.clock, self.settings, self.seed = clock, settings, settings.seed
        self.reset()

    def reset(self) -> None:
        """Return to the data of the seed."""
        self.random = random.Random(self.seed)
        self.rows: dict[str, dict[str, Row]] = {
            name: {} for name in RECORD_SETS if name != "analytics"
        }
        for number in range(self.settings.users):
            for record_set, rows in self._generated(number).items():
                for row in rows:
                    self.add(record_set, row)

    def _generated(self, number: int) -> dict[str, list[Row]]:
        return user_rows(self.seed, number, self.settings.origin)

    def add(self, record_set: str, row: Row) -> None:
        """Add a row."""
        self.rows[record_set][row[PRIMARY_KEYS[record_set]]] = row

    def add_user(self, at: str) -> Row:
        """Add a person who registers at this moment."""
        user = self._generated(len(self.rows["users"]))["users"][0]
        user |= just_registered(at)
        self.add("users", user)
        return user

    def chosen(self, stream: str, ids: list[str] | None, n: int) -> list[str]:
        """The given ids, or this many at random."""
        rows = self.rows[stream]
        return ids if ids is not None else self.random.sample(sorted(rows), min(n, len(rows)))

    def change(self, change: Change) -> list[str]:
        """Change rows; returns their ids.

        Raises: UnknownRowError.
        """
        self._check(change)
        number = 1 if change.n is None else change.n
        ids = self.chosen(change.stream, change.ids, number)
        if not change.values and change.stream != "users":
            message = f"say what to set: there is no change by default for {change.stream}"
            raise UnknownRowError(message)

        moment = iso(self.clock.now() - timedelta(seconds=change.late_s))
        for row_id in ids:
            row = self.rows[change.stream][row_id]
            row |= change.values or {"business_type": self._other_business(row["business_type"])}
            if change.touch:
                row[REPLICATION_KEYS[change.stream]] = moment
        return list(ids)

    def _check(self, change: Change) -> None:
        stream = change.stream
        if stream not in self.rows:
            streams = ", ".join(self.rows)
            raise UnknownRowError(f"no stream {stream!r} to change; there are {streams}")

        fields = set(change.values or {}) - set(RECORD_SETS[stream])
        ids = [row_id for row_id in change.ids or [] if row_id not in self.rows[stream]]
        if fields or ids:
            raise UnknownRowError(f"{stream} has no {sorted(fields) or ids}")

    def _other_business(self, present: str) -> str:
        return self.random.choice([name for name in BUSINESS_TYPES if name != present])


@dataclass(slots=True)
class Export:
    """An export and its files."""

    export_id: str
    files: list[tuple[bytes, int]]
    """Each file and its number of records."""
    records: int
    created: datetime
    format: str
    chunked: bool = False
    ready_at: datetime | None = None
    """When an asynchronous export is done, None for one that is done at once."""
    failed: bool = False
    wrong_by: int = 0
    """How many records more than the files hold it says there are."""


class Platform:
    """What is behind the export API. Every key reads the same platform."""

    def __init__(self, clock: Clock, settings: PlatformSettings) -> None:
        self.clock = clock
        self.chunk_bytes, self.async_bytes = settings.chunk_bytes, settings.async_bytes
        self.source = Source(clock, settings)
        self.exports: dict[str, Export] = {}
        self._signing_key = secrets.token_bytes(32)

    def reset(self) -> None:
        """Return to the data of the seed; forget exports and the signing key."""
        self.source.reset()
        self.exports = {}
        self._signing_key = secrets.token_bytes(32)

    def rows(self, record_set: str) -> Iterable[Row]:
        """All rows of a record set."""
        if record_set == "analytics":
            return days(self.source.rows, self.clock.now())
        return self.source.rows[record_set].values()

    def sign(self, export_id: str, expires: int) -> str:
        """The signature of a download URL."""
        text = f"{export_id}/{expires}".encode()
        return hmac.new(self._signing_key, text, hashlib.sha256).hexdigest()[:40]

    def export_of(self, export_id: str) -> Export | None:
        """An export whose files still exist."""
        export = self.exports.get(export_id)
        return export if export and not self._expired(export) else None

    def keep(self, export: Export) -> None:
        """Add an export, and forget those whose files are deleted."""
        kept = {key: known for key, known in self.exports.items() if not self._expired(known)}
        self.exports = kept | {export.export_id: export}

    def _expired(self, export: Export) -> bool:
        return export.created + FILE_LIFETIME < self.clock.now()
