"""The audit log as a table, `export_audit`, of a SQLite or PostgreSQL database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    insert,
    select,
    text,
    update,
)  # fmt: skip
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from tap_canai.audit.rows import KEPT, NO_CHAIN, Row, beginning, chained, checkpoint, told, verified
from tap_canai.errors import SettingError
from tap_canai.files import make_private
from tap_canai.times import utc_text

LOCK_WAIT_S = 60
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
HINT = "Set audit_log to a file, or to sqlite:///… or postgresql+psycopg://… that this process may write."


@dataclass(slots=True)
class AuditTable:
    """One database's log."""

    engine: Engine
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @classmethod
    def at(cls, url: str) -> AuditTable:
        """The log behind a URL. Raises: SettingError."""
        try:
            name = make_url(url).get_backend_name()
            if name not in ("sqlite", "postgresql"):
                raise SettingError(f"audit_log cannot be a {name} database.", HINT)
            if name == "sqlite" and (file := make_url(url).database):
                make_private(Path(file))
            engine = create_engine(
                url, connect_args={"timeout": LOCK_WAIT_S} if name == "sqlite" else {}
            )
        except OSError as error:
            raise SettingError(
                f"The audit log's database cannot be opened ({error.strerror}).", HINT
            ) from None
        except (SQLAlchemyError, ImportError):
            raise SettingError("audit_log is no database URL that can be used.", HINT) from None
        if name == "sqlite":
            event.listen(
                engine,
                "connect",
                lambda connection, _: setattr(connection, "isolation_level", None),
            )
            event.listen(
                engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
            )
        return cls(engine)

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """A transaction that is alone in the log. Raises: SettingError."""
        try:
            with self.engine.begin() as connection:
                if self.engine.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID})
                connection.execute(CreateTable(ROWS, if_not_exists=True))
                yield connection
        except SQLAlchemyError as error:
            raise SettingError(
                f"The audit log's database cannot be written ({type(error).__name__}).", HINT
            ) from None

    def write(self, event: Row) -> None:
        """Append an event. Raises: TapError."""
        with self._locked() as connection:
            first = connection.execute(select(ROWS).order_by(ROWS.c.id).limit(1)).first()
            if first is None:
                begun = beginning(self.now())
                last_chain = self._append(connection, begun, NO_CHAIN)
            else:
                begun = self._pruned(connection, first.id, json.loads(first.event))
                last_chain = str(
                    connection.execute(
                        select(ROWS.c.chain).order_by(ROWS.c.id.desc()).limit(1)
                    ).scalar_one()
                )
            self._append(connection, told(event, str(begun["salt"]), self.now()), last_chain)

    def verify(self) -> int:
        """The number of rows, whose chain holds. Raises: TapError naming the first row that does not fit."""
        with self._locked() as connection:
            found = connection.execute(select(ROWS.c.event, ROWS.c.chain).order_by(ROWS.c.id))
            return verified({**json.loads(row.event), "chain": row.chain} for row in found)

    @staticmethod
    def _append(connection: Connection, row: Row, before: str) -> str:
        chain = chained(before, row)
        connection.execute(
            insert(ROWS),
            {"at": row["at"], "event": json.dumps(row, ensure_ascii=False), "chain": chain},
        )
        return chain

    def _pruned(
        self, connection: Connection, first_id: int, first: dict[str, Any]
    ) -> dict[str, Any]:
        """The first row, once the rows older than 12 months gave way to a checkpoint in its place."""
        limit = utc_text(self.now() - KEPT)
        old = connection.execute(
            select(ROWS.c.id, ROWS.c.chain)
            .where(ROWS.c.id > first_id, ROWS.c.at < limit)
            .order_by(ROWS.c.id)
        ).all()
        if not old:
            return first
        begun = checkpoint(first, len(old), self.now())
        connection.execute(delete(ROWS).where(ROWS.c.id > first_id, ROWS.c.id <= old[-1].id))
        values = {
            "at": begun["at"],
            "event": json.dumps(begun, ensure_ascii=False),
            "chain": old[-1].chain,
        }
        connection.execute(update(ROWS).where(ROWS.c.id == first_id).values(values))
        return begun
