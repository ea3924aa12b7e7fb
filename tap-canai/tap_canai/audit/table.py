"""The audit log as a table, `export_audit`, of a SQLite or PostgreSQL database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from singer_kit.database import database_errors, exclusive, open_engine
from singer_kit.times import utc_text
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
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

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
from tap_canai.errors import SettingError

LOCK_ID = 0x63616E6169
"""PostgreSQL's advisory lock under which one process at a time adds to the chain."""
ROWS = Table(
    "export_audit",
    MetaData(),
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("at", String(27), nullable=False),
    Column("event", Text, nullable=False),
    Column("chain", String(64), nullable=False),
)
"""`event` is the row as JSON text: the chain rests on its very characters."""
HINT = (
    "Set audit_log to a file, or to sqlite:///… or postgresql+psycopg://… "
    "that this process may write."
)


@dataclass(slots=True)
class AuditTable:
    """A database's log."""

    engine: Engine
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @classmethod
    def at(cls, url: str) -> Self:
        """The log behind a URL. Raises: SettingError."""
        return cls(open_engine(url, "audit_log", create_folder=False))

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, event: Row) -> None:
        """Append an event. Raises: SettingError."""
        with self._locked() as connection:
            first = connection.execute(select(ROWS).order_by(ROWS.c.id).limit(1)).first()
            if first is None:
                start = beginning(self.now())
                last_chain = append(connection, start, NO_CHAIN)
            else:
                start = self._pruned(connection, first.id, json.loads(first.event))
                newest = select(ROWS.c.chain).order_by(ROWS.c.id.desc()).limit(1)
                last_chain = str(connection.execute(newest).scalar_one())
            append(connection, noted(event, str(start["salt"]), self.now()), last_chain)

    def verify(self) -> int:
        """The number of rows, if their chain holds.

        Raises: FatalError that names the first row that does not fit.
        """
        query = select(ROWS.c.event, ROWS.c.chain).order_by(ROWS.c.id)
        with self._locked() as connection:
            rows = connection.execute(query)
            return verified({**json.loads(row.event), "chain": row.chain} for row in rows)

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """A transaction in which nobody else adds to the chain. Raises: SettingError."""
        with (
            database_errors("The audit log's database cannot be written", HINT, SettingError),
            exclusive(self.engine, LOCK_ID) as connection,
        ):
            connection.execute(CreateTable(ROWS, if_not_exists=True))
            yield connection

    def _pruned(
        self, connection: Connection, first_id: int, first: dict[str, Any]
    ) -> dict[str, Any]:
        """The first row, after rows older than 12 months gave way to a checkpoint in its place."""
        is_old = (ROWS.c.id > first_id) & (ROWS.c.at < utc_text(self.now() - KEPT))
        old = connection.execute(
            select(ROWS.c.id, ROWS.c.chain).where(is_old).order_by(ROWS.c.id)
        ).all()
        if not old:
            return first
        start = checkpoint(first, len(old), self.now())
        connection.execute(delete(ROWS).where(ROWS.c.id > first_id, ROWS.c.id <= old[-1].id))
        values = {
            "at": start["at"],
            "event": json.dumps(start, ensure_ascii=False),
            "chain": old[-1].chain,
        }
        connection.execute(update(ROWS).where(ROWS.c.id == first_id).values(values))
        return start


def append(connection: Connection, row: Row, before: str) -> str:
    """Add a row behind the chain before; returns the chain after it."""
    chain = chained(before, row)
    event = json.dumps(row, ensure_ascii=False)
    connection.execute(insert(ROWS), {"at": row["at"], "event": event, "chain": chain})
    return chain
