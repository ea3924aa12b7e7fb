"""Opening the ledger's database and bringing its schema to the present version.

Whatever a database says no to, at any statement of a run, is a `LedgerError` with the way out.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from singer_kit.database import (
    URI_SCHEME,
    checked_database_url,
    database_errors,
    exclusive,
    open_engine,
)
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, event, inspect, select
from sqlalchemy.engine import ExceptionContext

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.tables import ENTRY, METADATA

MIGRATION_LOCK = 0x7265766572736531
"""PostgreSQL's advisory lock under which one process migrates."""
MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA_VERSION = "0012"
"""The newest migration; a new one is named here."""
VERSION = Table("ledger_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's table of the version."""
JSON_ENCODER = msgspec.json.Encoder(decimal_format="number")
HINT = "Check ledger_url, and that the database can be reached and written; then run again."
DAMAGED_HINT = (
    "Restore a copy of it, or move it away: the next run finds the records in the CRM by their "
    "keys and creates none twice."
)
CAUSES = {
    "SQLITE_NOTADB": ("is not a SQLite database", DAMAGED_HINT),
    "SQLITE_CORRUPT": ("is damaged", DAMAGED_HINT),
    "SQLITE_FULL": ("cannot grow: the disk is full", "Make room on the disk, then run again."),
    "SQLITE_READONLY": ("is read-only", "Let this user write the file and its folder."),
    "SQLITE_CANTOPEN": ("is not a file that can be opened", HINT),
}
"""What is wrong with the ledger, and the way out, by SQLite's primary result codes.

Source: sqlite.org, Result and Error Codes, read 2026-11-29.
"""


def open_database(url: str) -> Engine:
    """The ledger's engine, its tables migrated; close it with `dispose()`. Raises: LedgerError."""
    engine = open_engine(url, "ledger_url", error=LedgerError, json_serializer=to_json)
    event.listen(engine, "handle_error", raise_ledger_error)
    try:
        with database_errors("The ledger cannot be opened", HINT, LedgerError):
            migrate(engine)
    except LedgerError:
        engine.dispose()
        raise
    return engine


def check_ledger_exists(url: str) -> None:
    """Raises: LedgerError unless a database holds a ledger. It creates none."""
    parsed = checked_database_url(url, "ledger_url", LedgerError)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database).removeprefix(URI_SCHEME))
        exists = path.is_file() and path.stat().st_size > 0
    else:
        engine = open_engine(url, "ledger_url", error=LedgerError)
        event.listen(engine, "handle_error", raise_ledger_error)
        try:
            with engine.connect() as connection:
                exists = schema_version(connection) is not None
        finally:
            engine.dispose()
    if not exists:
        raise LedgerError(
            "ledger_url names no ledger.", "Check ledger_url. The first sync creates the ledger."
        )


def migrate(engine: Engine) -> None:
    """Bring the schema to the present version: an empty database at once, an older one in steps."""
    with engine.connect() as connection:
        if schema_version(connection) == SCHEMA_VERSION:
            return
    # One process at a time: several may be started at once on a new ledger.
    with exclusive(engine, MIGRATION_LOCK) as connection:
        version = schema_version(connection)
        if version is None and not inspect(connection).has_table(ENTRY.name):
            create_tables(connection)
        elif version != SCHEMA_VERSION:  # not if another process was first
            upgrade(connection)


def schema_version(connection: Connection) -> str | None:
    """The version of the ledger in a database; None if it holds none."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version_num)).scalar()


def create_tables(connection: Connection) -> None:
    """Make the tables of the present version, as all migrations in a row would."""
    for metadata in (METADATA, VERSION.metadata):
        metadata.create_all(connection, checkfirst=False)
    connection.execute(VERSION.insert().values(version_num=SCHEMA_VERSION))


def upgrade(connection: Connection) -> None:
    """Run the migrations that a ledger lacks. Raises: LedgerError if it is newer."""
    from alembic import command  # half a second of imports that most runs do not need
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:  # Alembic knows no such version
        raise LedgerError(
            "The ledger was written by a newer version of this target.",
            "Upgrade the target, or set ledger_url to another database.",
        ) from None


def raise_ledger_error(context: ExceptionContext) -> None:
    """Turns what a database says no to into one line.

    The driver's own text stays out: it may quote values and the URL. Raises: LedgerError.
    """
    cause = context.original_exception
    if not isinstance(cause, Exception) or context.is_pre_ping:
        return  # a signal; or a lost connection, which the pool opens again
    name = str(getattr(cause, "sqlite_errorname", ""))
    primary = "_".join(name.split("_")[:2])
    what, hint = CAUSES.get(primary, (f"cannot be used ({name or type(cause).__name__})", HINT))
    raise LedgerError(f"The ledger {what}.", hint) from cause


def to_json(value: object) -> str:
    """JSON for the tables; a Decimal stays a number."""
    return JSON_ENCODER.encode(value).decode()
