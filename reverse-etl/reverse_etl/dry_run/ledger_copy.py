"""A copy of an account's ledger, which a dry run may write to.

It is a private file that is removed at the end; the ledger itself is only read.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from singer_kit.database import URI_SCHEME, checked_database_url, open_engine
from singer_kit.private_files import make_private
from sqlalchemy import Connection, Engine, Table, delete, event, insert, select

from reverse_etl.errors import LedgerError
from reverse_etl.ledger import Scope
from reverse_etl.ledger.database import (
    HINT,
    SCHEMA_VERSION,
    open_database,
    raise_ledger_error,
    schema_version,
)
from reverse_etl.ledger.tables import CLAIM, METADATA

ROWS_AT_A_TIME = 10_000


def copied_ledger(url: str, scope: Scope, folder: Path) -> Engine:
    """An engine for a copy of an account's ledger, in a folder. Raises: LedgerError."""
    copy = folder / "ledger.db"
    parsed = checked_database_url(url, "ledger_url", LedgerError)
    from_file = parsed.get_backend_name() == "sqlite"
    if from_file:
        make_private(copy)
        copy_file(Path(str(parsed.database).removeprefix(URI_SCHEME)), copy)
    engine = open_database(f"sqlite:///{copy}")
    if not from_file:
        copy_rows(url, scope, engine)
    with engine.begin() as connection:  # this run would wait for those of other processes
        connection.execute(delete(CLAIM))
    return engine


def copy_file(ledger: Path, copy: Path) -> None:
    """Copy a SQLite ledger as it is at one moment, if there is one. Raises: LedgerError."""
    if not ledger.exists():
        return
    try:
        with (
            closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise LedgerError(f"The ledger cannot be copied ({name}).", HINT) from None


def copy_rows(url: str, scope: Scope, copy: Engine) -> None:
    """Copy an account's rows from a database server. Raises: LedgerError."""
    source = open_engine(url, "ledger_url", error=LedgerError)
    event.listen(source, "handle_error", raise_ledger_error)
    try:
        with source.connect() as connection, copy.begin() as target:
            version = schema_version(connection)
            if version not in (None, SCHEMA_VERSION):
                raise LedgerError(
                    "The ledger was written by another version of this target, and a dry run does "
                    "not change it.",
                    "Run `ledger status`, which brings an older ledger up to date.",
                )
            for table in METADATA.sorted_tables if version else ():
                copy_table(connection, target, table, scope)
    finally:
        source.dispose()


def copy_table(source: Connection, target: Connection, table: Table, scope: Scope) -> None:
    """Copy the rows of one account, those of shared tables left out."""
    if "account" not in table.c:
        return
    query = select(table).where(table.c.crm == scope.crm, table.c.account == scope.account)
    rows = source.execution_options(stream_results=True).execute(query)
    for part in rows.mappings().partitions(ROWS_AT_A_TIME):
        target.execute(insert(table), [dict(row) for row in part])
