"""Fields that the CRM no longer has: what the ledger knows of their values is true no more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from reverse_etl.ledger.entries import DamagedEntryError, Entry
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import ENTRY, ENTRY_COLUMNS

ENTRIES_A_PART = 5_000
"""Entries that are read at a time."""


@dataclass(frozen=True, slots=True)
class LostFields:
    """Forgets fields of one account's records."""

    rows: Rows

    def forget(self, object_name: str, names: Collection[str]) -> int:
        """Forget fields of an object, so that their values are sent again; returns of how many
        records.

        Raises: LedgerError.
        """
        records = 0
        for entries in self._entries(object_name):
            lost = [entry for entry in entries if not entry.marks.keys().isdisjoint(names)]
            records += len(lost)
            self._write(object_name, [entry.without(names) for entry in lost])
        return records

    def _entries(self, object_name: str) -> Iterator[list[Entry]]:
        last = ""
        while True:
            query = (
                select(*ENTRY_COLUMNS)
                .where(*self.rows.where(ENTRY), ENTRY.c.object == object_name, ENTRY.c.key > last)
                .order_by(ENTRY.c.key)
                .limit(ENTRIES_A_PART)
            )
            with self.rows.engine.connect() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield list(readable(rows))
            last = rows[-1].key

    def _write(self, object_name: str, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        statement = (
            update(ENTRY)
            .where(
                *self.rows.where(ENTRY),
                ENTRY.c.object == object_name,
                ENTRY.c.key == bindparam("lost_key"),
            )
            .values(fields=bindparam("after"))
        )
        changed = [{"lost_key": entry.key, "after": entry.packed()} for entry in entries]
        with self.rows.writing() as connection:
            connection.execute(statement, changed)


def readable(rows: Iterable[Any]) -> Iterator[Entry]:
    """The entries of rows; a damaged one knows no field, and is looked up when its record comes."""
    for row in rows:
        with suppress(DamagedEntryError):
            yield Entry.unpacked(*row)
