"""SQLAlchemy compiles each statement once a worker, not once for each ledger that a test opens.

Its cache belongs to an engine, and its keys name the engine's dialect: here the SQLite dialects of
a process are equal, and their engines share one cache. What a statement compiles to is the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, util
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.event import listens_for

MOST_STATEMENTS = 4000
COMPILED: Any = util.LRUCache(MOST_STATEMENTS)


def same_class(dialect: object, other: object) -> bool:
    return type(dialect) is type(other)


def class_hash(dialect: object) -> int:
    return hash(type(dialect))


for name, method in (("__eq__", same_class), ("__hash__", class_hash)):
    setattr(SQLiteDialect_pysqlite, name, method)


@listens_for(Engine, "engine_connect")
def share_the_cache(connection: Connection) -> None:
    if isinstance(connection.dialect, SQLiteDialect_pysqlite):
        connection.execution_options(compiled_cache=COMPILED)
