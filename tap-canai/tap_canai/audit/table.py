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

from tap_canai.audit.file import row_of
from tap_canai.audit.rows import (
    CUT,
    KEPT,
    NO_CHAIN,
    Row,
    beginning,
    chained,
    checkpoint,
    is_cut,
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
HEAD = Table("export_audit_head", ROWS.metadata, Column("chain", String(64), primary_key=True))
"""The chain of the row that was written last."""
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
            head = head_of(connection)
            if first is None:
                start, cut = beginning(self.now()), bool(head)
                last_chain = append(connection, start, NO_CHAIN)
            else:
                newest = select(ROWS.c.chain).order_by(ROWS.c.id.desc()).limit(1)
                last_chain = str(connection.execute(newest).scalar_one())
                cut = is_cut(row_of(first.event), [{"chain": last_chain}], head)
                start = self._pruned(connection, first.id, row_of(first.event))
            for new in [CUT, event] if cut else [event]:
                row = noted(new, str(start["salt"]), self.now())
                last_chain = append(connection, row, last_chain)
            connection.execute(delete(HEAD))
            connection.execute(insert(HEAD), {"chain": last_chain})

    def verify(self) -> int:
        """The number of rows, if their chain holds and none is missing at the end.

        Raises: FatalError that names the first row that does not fit.
        """
        query = select(ROWS.c.event, ROWS.c.chain).order_by(ROWS.c.id)
        with self._locked() as connection:
            rows = connection.execute(query)
            head = head_of(connection)
            return verified(({**row_of(row.event), "chain": row.chain} for row in rows), head)

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """A transaction in which nobody else adds to the chain. Raises: SettingError."""
        with (
            database_errors("The audit log's database cannot be written", HINT, SettingError),
            exclusive(self.engine, LOCK_ID) as connection,
        ):
            for table in (ROWS, HEAD):
                connection.execute(CreateTable(table, if_not_exists=True))
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
        start = checkpoint(first, len(old), old[-1].chain, self.now())
        connection.execute(delete(ROWS).where(ROWS.c.id > first_id, ROWS.c.id <= old[-1].id))
        values = {
            "at": start["at"],
            "event": json.dumps(start, ensure_ascii=False),
            "chain": chained(NO_CHAIN, start),
        }
        connection.execute(update(ROWS).where(ROWS.c.id == first_id).values(values))
        return start


def head_of(connection: Connection) -> str:
    """The chain of the row that was written last; empty if it is not known."""
    return connection.execute(select(HEAD.c.chain)).scalar() or ""


def append(connection: Connection, row: Row, before: str) -> str:
    """Add a row behind the chain before; returns the chain after it."""
    chain = chained(before, row)
    event = json.dumps(row, ensure_ascii=False)
    connection.execute(insert(ROWS), {"at": row["at"], "event": event, "chain": chain})
    return chain
