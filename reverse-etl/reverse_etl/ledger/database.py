"""Opening the ledger's database and bringing its schema to the present version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from singer_kit.database import database_errors, exclusive, open_engine
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.tables import Base, EntryRow

MIGRATION_LOCK = 0x7265766572736531
"""PostgreSQL's advisory lock under which one process migrates."""
MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA_VERSION = "0009"
"""The newest migration; a new one is named here."""
VERSION = Table("ledger_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's table of the version."""
JSON_ENCODER = msgspec.json.Encoder(decimal_format="number")


def open_database(url: str) -> Engine:
    """The ledger's engine, its tables migrated; close it with `dispose()`. Raises: LedgerError."""
    engine = open_engine(url, "ledger_url", error=LedgerError, json_serializer=to_json)
    hint = "Check ledger_url, and that the database can be reached and written."
    try:
        with database_errors("The ledger cannot be opened", hint, LedgerError):
            migrate(engine)
    except LedgerError:
        engine.dispose()
        raise
    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to the present version: an empty database at once, an older one in steps."""
    with engine.connect() as connection:
        if schema_version(connection) == SCHEMA_VERSION:
            return
    # One process at a time: several may be started at once on a new ledger.
    with exclusive(engine, MIGRATION_LOCK) as connection:
        version = schema_version(connection)
        if version is None and not inspect(connection).has_table(EntryRow.__tablename__):
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
    for metadata in (Base.metadata, VERSION.metadata):
        metadata.create_all(connection, checkfirst=False)
    connection.execute(VERSION.insert().values(version_num=SCHEMA_VERSION))


def upgrade(connection: Connection) -> None:
    """Run the migrations that a ledger lacks."""
    from alembic import command  # half a second of imports that most runs do not need
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def write_errors() -> Iterator[None]:
    """Turns a failed transaction into one line. Raises: LedgerError."""
    hint = "Run again: what is unsettled is sent again."
    with database_errors("The ledger could not be written", hint, LedgerError):
        yield


def to_json(value: object) -> str:
    """JSON for the tables; a Decimal stays a number."""
    return JSON_ENCODER.encode(value).decode()
