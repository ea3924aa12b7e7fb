"""The inbox: events in a table of SQLite or PostgreSQL, each once, in the order in which they were committed.

A reader goes on behind the last sequence it saw, so a sequence must never become visible after a larger one: writers take
turns (a lock in PostgreSQL; SQLite has one writer anyway). A sequence is never used again, not even after pruning.
Readers note how far they have come; what every reader has delivered may be pruned.
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
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
)  # fmt: skip
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from tap_canai.errors import SettingError, TapError
from tap_canai.files import make_private
from tap_canai.times import utc_text

if TYPE_CHECKING:
    from tap_canai.webhooks.events import Event

LOCK_WAIT_S = 60
LOCK_ID = 0x63616E6169_01
"""PostgreSQL's advisory lock under which one process at a time writes."""
PAGE_ROWS = 1000
FORGOTTEN_AFTER = timedelta(days=30)
"""A reader not heard of for so long no longer keeps events from being pruned."""
HINT = "Set inbox_url to sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE that this process may write."
METADATA = MetaData()
ROWS = Table(
    "webhook_inbox",
    METADATA,
    Column(
        "sequence",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("event", String(80), nullable=False),
    Column("at", String(27), nullable=False),
    Column("received_at", String(27), nullable=False),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""`data` is the event's data as JSON text."""
READERS = Table(
    "webhook_reader",
    METADATA,
    Column("reader", String(64), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("seen_at", String(27), nullable=False),
)
"""How far each reader has delivered, as its state said when it last began."""
IDENTITY = Table("webhook_inbox_identity", METADATA, Column("id", String(36), primary_key=True))
"""One row: which inbox this is, so that a bookmark of another one is known as such."""


class InboxError(TapError):
    """The inbox cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it lies in the inbox."""

    sequence: int
    event_id: str
    event: str
    at: str
    received_at: str
    data: dict[str, Any]


def default_url() -> str:
    """Where the inbox lies if nobody says: in the Meltano project, else in the present folder."""
    root = Path(os.environ.get("MELTANO_PROJECT_ROOT", "."))
    if (root / "meltano.yml").exists():
        return f"sqlite:///{root.resolve()}/.meltano/run/canai-webhooks/inbox.db"
    return "sqlite:///inbox.db"


def make_engine(url: str) -> Engine:
    """An engine; a SQLite file is made for its owner alone, and every commit reaches the disk. Raises: SettingError."""
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name not in ("sqlite", "postgresql"):
            raise SettingError(f"inbox_url cannot be a {name} database.", HINT)
        if name == "sqlite" and parsed.database and parsed.database != ":memory:":
            path = Path(parsed.database)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_private(path)
        engine = create_engine(parsed, pool_pre_ping=name == "postgresql")
    except OSError as error:
        raise SettingError(f"The inbox cannot be opened ({error.strerror}).", HINT) from None
    except (SQLAlchemyError, ImportError):
        raise SettingError("inbox_url is no database URL that can be used.", HINT) from None
    if name == "sqlite":
        event.listen(engine, "connect", sqlite_settings)
        event.listen(
            engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
        )
    return engine


def sqlite_settings(connection: Any, _record: object) -> None:
    """Transactions begin when we say so; commits are on the disk; a lock is waited for."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={LOCK_WAIT_S * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


class Inbox:
    """One inbox."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.identity = ""
        self._insert: Any = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    @classmethod
    def open(cls, url: str) -> Inbox:
        """The inbox behind a URL, its tables made where they are missing. Raises: SettingError, InboxError."""
        inbox = cls(make_engine(url))
        with inbox._writing() as connection:
            METADATA.create_all(connection)
            found = connection.scalar(select(IDENTITY.c.id))
            if found is None:
                found = str(uuid.uuid4())
                connection.execute(insert(IDENTITY), {"id": found})
        inbox.identity = str(found)
        return inbox

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = type(getattr(error, "orig", None) or error).__name__
            raise InboxError(f"The inbox cannot be used ({reason}).", HINT) from None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction in which nobody else writes. Raises: InboxError."""
        with self._guarded(), self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID})
            yield connection

    def add(self, events: Sequence[Event]) -> int:
        """Write events in one commit, those that are there already left out; how many were new. Raises: InboxError."""
        now = utc_text(datetime.now(UTC))
        rows = [
            {
                "event_id": one.event_id,
                "event": one.kind,
                "at": one.at,
                "received_at": now,
                "data": json.dumps(one.data, ensure_ascii=False),
            }
            for one in events
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

    def _rows(self, query: Any) -> list[Row]:
        with self._guarded(), self.engine.connect() as connection:
            return [
                Row(
                    row.sequence,
                    row.event_id,
                    row.event,
                    row.at,
                    row.received_at,
                    json.loads(row.data),
                )
                for row in connection.execute(query)
            ]

    def last(self) -> int:
        """The largest sequence; 0 where there is none. Raises: InboxError."""
        with self._guarded(), self.engine.connect() as connection:
            return int(connection.scalar(select(func.max(ROWS.c.sequence))) or 0)

    def count(self) -> int:
        """Events that lie in the inbox. Raises: InboxError."""
        with self._guarded(), self.engine.connect() as connection:
            return int(connection.scalar(select(func.count()).select_from(ROWS)) or 0)

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
        """The sequence up to which every reader has delivered; None where nobody reads. Raises: InboxError."""
        limit = utc_text(datetime.now(UTC) - FORGOTTEN_AFTER)
        with self._guarded(), self.engine.connect() as connection:
            found = connection.scalar(
                select(func.min(READERS.c.sequence)).where(READERS.c.seen_at >= limit)
            )
            return None if found is None else int(found)

    def prune(self, before: datetime) -> int:
        """Delete what was received before a moment and every reader has delivered; how many. Raises: InboxError."""
        delivered = self.delivered()
        if delivered is None:
            return 0
        old = delete(ROWS).where(
            ROWS.c.received_at < utc_text(before), ROWS.c.sequence <= delivered
        )
        forgotten = utc_text(datetime.now(UTC) - FORGOTTEN_AFTER)
        with self._writing() as connection:
            connection.execute(delete(READERS).where(READERS.c.seen_at < forgotten))
            return int(connection.execute(old).rowcount)

    def resend(self, *, event_ids: Iterable[str] = (), since: datetime | None = None) -> int:
        """Give events a new sequence, so that every reader reads them again; how many. Raises: InboxError."""
        named: Any = ROWS.c.event_id.in_(list(event_ids))
        wanted = named if since is None else ROWS.c.received_at >= utc_text(since)
        columns = [column for column in ROWS.c if column.name != "sequence"]
        with self._writing() as connection:
            rows = [
                dict(row)
                for row in connection.execute(
                    select(*columns).where(wanted).order_by(ROWS.c.sequence)
                ).mappings()
            ]
            if rows:
                connection.execute(
                    delete(ROWS).where(ROWS.c.event_id.in_([row["event_id"] for row in rows]))
                )
                connection.execute(insert(ROWS), rows)
        return len(rows)
