"""What every part of the ledger shares: one account's rows of one database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from singer_kit.database import exclusive
from singer_kit.times import utc_text
from sqlalchemy import Connection, Engine, Table

from reverse_etl.ledger.entries import Scope

KEYS_A_QUERY = 500
"""Keys in one IN list: far below SQLite's limit on variables, and few plans for PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Access to the rows of one CRM and account."""

    engine: Engine
    scope: Scope
    clock: Callable[[], datetime]

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes; other processes on this account write before it or after it.

        Rows that need no claim come to two processes in different orders. In turns, neither ever
        waits for a row that the other holds, which PostgreSQL would end as a deadlock.
        Raises: LedgerError.
        """
        account = hashlib.sha256(f"{self.scope.crm} {self.scope.account}".encode()).digest()
        return exclusive(self.engine, int.from_bytes(account[:8], signed=True))

    def now(self) -> str:
        """The present moment as the tables keep it."""
        return utc_text(self.clock())

    def where(self, table: Table) -> tuple[Any, Any]:
        """The condition that keeps a query to this account."""
        return table.c.crm == self.scope.crm, table.c.account == self.scope.account

    def owned(self, **columns: Any) -> dict[str, Any]:
        """The columns of a row of this account."""
        return {"crm": self.scope.crm, "account": self.scope.account, **columns}

    def insert(self, table: Table) -> Any:
        """An INSERT that can say what to do on a conflict."""
        # A dialect's package takes longer to import than a block takes to write.
        dialect = import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}")
        return dialect.insert(table)


def parts(keys: Iterable[str]) -> Iterator[Sequence[str]]:
    """Distinct keys, as many at a time as one query takes."""
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), KEYS_A_QUERY):
        yield distinct[start : start + KEYS_A_QUERY]
