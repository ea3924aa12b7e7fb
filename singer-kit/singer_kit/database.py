"""Databases that a setting names by URL: SQLite or PostgreSQL, opened the same way everywhere.

Every commit is on the disk before it returns, and a lock is waited for instead of failing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from singer_kit.errors import FatalError, SettingError
from singer_kit.private_files import make_private, make_private_folder

BACKENDS = ("sqlite", "postgresql")
LOCK_WAIT_S = 60
LOCK_TURN_MS = 500
PRIMARY_CODE = 0xFF
"""The bits of an extended result code of SQLite that are its primary one."""
URI_SCHEME = "file:"
"""Before the path, where the URL gives SQLite options: `sqlite:///file:PATH?mode=ro&uri=true`."""
URL_HINT = "Use sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."


def open_engine(
    url: str,
    setting: str,
    *,
    error: type[FatalError] = SettingError,
    create_folder: bool = True,
    **options: Any,
) -> Engine:
    """An engine for the URL that a setting holds; close it with `dispose()`.

    A SQLite file is created that only its owner can read. `options` go to SQLAlchemy's
    `create_engine`.

    Raises: an `error` that names the setting, never the URL, which may hold a password.
    """
    parsed = checked_database_url(url, setting, error)
    try:
        return create_engine_for(parsed, create_folder, options)
    except OSError as failure:
        raise error(
            f"{setting} names a file that cannot be opened ({failure.strerror}).", URL_HINT
        ) from None
    except (SQLAlchemyError, ImportError):
        raise error(f"{setting} names a driver that is not installed.", URL_HINT) from None


def create_engine_for(url: URL, create_folder: bool, options: Mapping[str, Any]) -> Engine:
    """An engine that is durable and waits for locks. Raises: OSError, SQLAlchemyError."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, **options)
    create_sqlite_file(url, create_folder=create_folder)
    engine = create_engine(url, **options)
    event.listen(engine, "connect", sqlite_pragmas)
    return engine


def checked_database_url(url: str, setting: str, error: type[FatalError]) -> URL:
    """A URL of SQLite or PostgreSQL. Raises: an `error` that names the setting."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is not a number is a ValueError
        raise error(f"{setting} is not a valid database URL.", URL_HINT) from None
    backend = parsed.get_backend_name()
    if backend not in BACKENDS:
        raise error(f"{setting} cannot be a {backend} database.", URL_HINT)
    if backend == "sqlite" and is_in_memory(parsed):
        raise error(f"{setting} names no file: all would be forgotten when the run ends.", URL_HINT)
    return parsed


def is_in_memory(url: URL) -> bool:
    """Returns True if a SQLite database has no file, and ends with the process."""
    name = (url.database or "").removeprefix(URI_SCHEME)
    return name in ("", ":memory:") or url.query.get("mode") == "memory"


def create_sqlite_file(url: URL, *, create_folder: bool) -> None:
    """Create the file of a SQLite URL, unless it is opened to be read. Raises: OSError."""
    path = Path(str(url.database).removeprefix(URI_SCHEME))
    if url.query.get("mode") in ("ro", "rw"):
        return
    if create_folder:
        make_private_folder(path.parent)
    make_private(path)


def sqlite_pragmas(connection: Any, _record: object) -> None:
    """Write-ahead log, durable commits, and waiting for a lock instead of failing."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={LOCK_WAIT_S * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def exclusive(engine: Engine, lock_id: int) -> Iterator[Connection]:
    """A transaction that waits until it alone writes; others wait until it ends.

    SQLite has one writer a file, so the write lock is taken at the beginning, not at the first
    write: a transaction that has read before could no longer get it. In PostgreSQL the turn is an
    advisory lock under `lock_id`, which every writer of the same tables has to use.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            begin_immediate(connection)
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock_id:d})")
        yield connection


def begin_immediate(connection: Connection) -> None:
    """Take a SQLite file's write lock, waiting up to `LOCK_WAIT_S` in short turns.

    SQLite waits in C, where a signal does not reach Python's handler: it runs between two turns.
    Raises: what SQLAlchemy raises if the lock cannot be had.
    """
    raw: Any = connection.connection.driver_connection
    raw.execute(f"PRAGMA busy_timeout = {LOCK_TURN_MS}")
    try:
        for _ in range(LOCK_WAIT_S * 1000 // LOCK_TURN_MS - 1):
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                    break
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_S * 1000}")


@contextmanager
def database_errors(message: str, hint: str, error: type[FatalError]) -> Iterator[None]:
    """Turns what SQLAlchemy raises into one line: the message, the cause's class, the hint.

    The driver's own text stays out: it may quote values and the URL. Raises: the `error`.
    """
    try:
        yield
    except SQLAlchemyError as failure:
        cause = type(getattr(failure, "orig", None) or failure).__name__
        raise error(f"{message} ({cause}).", hint) from None
