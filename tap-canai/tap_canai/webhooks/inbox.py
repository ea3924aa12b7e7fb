"""The inbox: events in SQLite or PostgreSQL, each once, in the order of their commits.

A reader goes on behind the last sequence it saw, so a sequence must never become visible after a
larger one: writers take turns. A sequence is never used again, not even after pruning. Readers note
how far they have come; what every reader has delivered may be pruned.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from singer_kit.database import database_errors, exclusive, open_engine
from singer_kit.times import utc_text
from sqlalchemy import Connection, Engine, Select, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from tap_canai.errors import FatalError
from tap_canai.webhooks.inbox_tables import IDENTITY, METADATA, READERS, ROWS

if TYPE_CHECKING:
    from tap_canai.webhooks.events import Event

LOCK_ID = 0x63616E6169_01
"""PostgreSQL's advisory lock under which one process at a time writes."""
PAGE_ROWS = 1000
FORGOTTEN_AFTER = timedelta(days=30)
"""A reader that was not seen for this long no longer keeps events from being pruned."""
HINT = (
    "Set inbox_url to sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE "
    "that this process may write."
)


class InboxError(FatalError):
    """The inbox cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event in the inbox."""

    sequence: int
    event_id: str
    event: str
    at: str
    received_at: str
    data: dict[str, Any]


def default_url() -> str:
    """The default inbox: in the Meltano project, or else in the working folder."""
    root = Path(os.environ.get("MELTANO_PROJECT_ROOT", "."))
    if (root / "meltano.yml").exists():
        return f"sqlite:///{root.resolve()}/.meltano/run/canai-webhooks/inbox.db"
    return "sqlite:///inbox.db"


class Inbox:
    """An open inbox; close it after use."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.identity = ""
        self._insert: Any = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    @classmethod
    def open(cls, url: str) -> Self:
        """The inbox behind a URL; missing tables are created. Raises: SettingError, InboxError."""
        inbox = cls(open_engine(url, "inbox_url"))
        try:
            with inbox._writing() as connection:
                METADATA.create_all(connection)
                identity = connection.scalar(select(IDENTITY.c.id))
                if identity is None:
                    identity = str(uuid.uuid4())
                    connection.execute(insert(IDENTITY), {"id": identity})
        except InboxError:
            inbox.close()
            raise
        inbox.identity = str(identity)
        return inbox

    def close(self) -> None:
        """Close the database's connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction in which nobody else writes. Raises: InboxError."""
        with self._errors(), exclusive(self.engine, LOCK_ID) as connection:
            yield connection

    @staticmethod
    def _errors() -> Any:
        return database_errors("The inbox cannot be used", HINT, InboxError)

    # Events

    def add(self, events: Sequence[Event]) -> int:
        """Write events in one commit, those already there left out. Raises: InboxError.

        Returns how many were new.
        """
        now = utc_text(datetime.now(UTC))
        rows = [
            {
                "event_id": event.event_id,
                "event": event.kind,
                "at": event.at,
                "received_at": now,
                "data": json.dumps(event.data, ensure_ascii=False),
            }
            for event in events
        ]
        statement = self._insert(ROWS).on_conflict_do_nothing(index_elements=["event_id"])
        with self._writing() as connection:
            return int(connection.execute(statement, rows).rowcount)

    def read(self, after: int, limit: int = PAGE_ROWS) -> list[Row]:
        """Events behind a sequence, in order. Raises: InboxError."""
        query = select(ROWS).where(ROWS.c.sequence > after).order_by(ROWS.c.sequence).limit(limit)
        return self._rows(query)

    def recent(self, limit: int) -> list[Row]:
        """The newest events, newest first. Raises: InboxError."""
        return self._rows(select(ROWS).order_by(ROWS.c.sequence.desc()).limit(limit))

    def _rows(self, query: Select[Any]) -> list[Row]:
        with self._reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [Row(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def last(self) -> int:
        """The largest sequence; 0 if the inbox is empty. Raises: InboxError."""
        with self._reading() as connection:
            return int(connection.scalar(select(func.max(ROWS.c.sequence))) or 0)

    def count(self) -> int:
        """The number of events in the inbox. Raises: InboxError."""
        with self._reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(ROWS)) or 0)

    def resend(self, *, event_ids: Iterable[str] = (), since: datetime | None = None) -> int:
        """Give events a new sequence, so that every reader reads them again. Raises: InboxError.

        The events are those named, or all received since a moment. Returns how many there were.
        """
        by_id: Any = ROWS.c.event_id.in_(list(event_ids))
        wanted = by_id if since is None else ROWS.c.received_at >= utc_text(since)
        columns = [column for column in ROWS.c if column.name != "sequence"]
        query = select(*columns).where(wanted).order_by(ROWS.c.sequence)
        with self._writing() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
            if rows:
                moved = [row["event_id"] for row in rows]
                connection.execute(delete(ROWS).where(ROWS.c.event_id.in_(moved)))
                connection.execute(insert(ROWS), rows)
        return len(rows)

    def erase(self, user_id: str) -> int:
        """Delete the events of a user, delivered or not; returns how many. Raises: InboxError."""
        with self._writing() as connection:
            if self.engine.dialect.name == "sqlite":  # else they stay in the file for a while
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            query = select(ROWS.c.sequence, ROWS.c.data)
            theirs = [
                row.sequence
                for row in connection.execute(query)
                if str(json.loads(row.data).get("user_id")) == user_id
            ]
            for start in range(0, len(theirs), PAGE_ROWS):
                part = theirs[start : start + PAGE_ROWS]
                connection.execute(delete(ROWS).where(ROWS.c.sequence.in_(part)))
        return len(theirs)

    # Readers

    def note_reader(self, reader: str, sequence: int) -> None:
        """Note how far a reader has delivered. Raises: InboxError."""
        statement = self._insert(READERS).values(
            reader=reader, sequence=sequence, seen_at=utc_text(datetime.now(UTC))
        )
        changed = {name: statement.excluded[name] for name in ("sequence", "seen_at")}
        with self._writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["reader"], set_=changed)
            )

    def delivered(self) -> int | None:
        """The sequence up to which every reader has delivered; None without a reader.

        Raises: InboxError.
        """
        limit = utc_text(datetime.now(UTC) - FORGOTTEN_AFTER)
        query = select(func.min(READERS.c.sequence)).where(READERS.c.seen_at >= limit)
        with self._reading() as connection:
            sequence = connection.scalar(query)
        return None if sequence is None else int(sequence)

    def prune(self, before: datetime) -> int:
        """Delete what was received before a moment and delivered by every reader.

        Returns how many events that were. Raises: InboxError.
        """
        delivered = self.delivered()
        if delivered is None:
            return 0
        is_old = (ROWS.c.received_at < utc_text(before)) & (ROWS.c.sequence <= delivered)
        forgotten = utc_text(datetime.now(UTC) - FORGOTTEN_AFTER)
        with self._writing() as connection:
            connection.execute(delete(READERS).where(READERS.c.seen_at < forgotten))
            return int(connection.execute(delete(ROWS).where(is_old)).rowcount)
