"""Opening the ledger's database and bringing its schema to the present version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from alembic import command
from alembic.config import Config
from singer_kit.database import database_errors, exclusive, open_engine
from sqlalchemy import Engine

from reverse_etl.errors import LedgerError

MIGRATION_LOCK = 0x7265766572736531
"""PostgreSQL's advisory lock under which one process migrates."""
MIGRATIONS = Path(__file__).with_name("migrations")
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
    """Bring the schema to the present version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # One process at a time: several may be started at once on a new ledger.
    with exclusive(engine, MIGRATION_LOCK) as connection:
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
