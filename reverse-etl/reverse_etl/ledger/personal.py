"""Everything that the ledger holds about a person, to be read and deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from reverse_etl.ledger.entries import DamagedEntryError, Entry
from reverse_etl.ledger.retention import overwrite_deleted
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import (
    DEAD_LETTER,
    DOUBT,
    ENTRY,
    ENTRY_COLUMNS,
    FILTERED,
    RUN,
    WAITING_LINK,
)
from reverse_etl.ledger.versions import Version

LETTERS = "dead_letters"
"""Where a run's report lists its letters."""


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """A row that holds a source record: a dead letter, open or closed, or what waits."""

    rule: str
    key: str
    source_key: str
    records: tuple[Mapping[str, Any], ...]
    """Its versions; empty if it is masked."""
    link: str = ""
    """The name of the link that it waits for."""
    to_key: str = ""


@dataclass(frozen=True, slots=True)
class PersonalRows:
    """Reads and deletes rows of one account, within a transaction of the ledger."""

    rows: Rows

    def letters(self, connection: Connection) -> Iterator[HeldRecord]:
        """Every dead letter."""
        for row in connection.execute(select(DEAD_LETTER).where(*self.rows.where(DEAD_LETTER))):
            yield HeldRecord(row.rule, row.key, row.key, versions_of(row))

    def waiting(self, connection: Connection) -> Iterator[HeldRecord]:
        """Everything that waits."""
        for row in connection.execute(select(WAITING_LINK).where(*self.rows.where(WAITING_LINK))):
            yield HeldRecord(
                row.rule, row.key, row.source_key, versions_of(row), row.to_object, row.to_key
            )

    def entries(self, connection: Connection, object_name: str) -> Iterator[Entry]:
        """Every entry of an object; damaged rows are left out."""
        query = select(*ENTRY_COLUMNS).where(*self._of(object_name))
        for row in connection.execution_options(yield_per=1000).execute(query):
            with suppress(DamagedEntryError):
                yield Entry.unpacked(*row)

    def delete_letter(self, connection: Connection, letter: HeldRecord) -> None:
        """Delete a dead letter."""
        self._delete(connection, DEAD_LETTER, rule=letter.rule, key=letter.key)

    def delete_waiting(self, connection: Connection, row: HeldRecord) -> None:
        """Delete what waits."""
        self._delete(connection, WAITING_LINK, rule=row.rule, key=row.key, to_object=row.link)

    def delete_notes(self, connection: Connection, rule: str, keys: Collection[str]) -> None:
        """Delete what else is kept of a rule's keys: when they were filtered, and doubts."""
        for key in keys:
            self._delete(connection, FILTERED, rule=rule, key=key)
            self._delete(connection, DOUBT, rule=rule, key=key)
            self._delete(connection, DOUBT, rule=rule, source_key=key)

    def delete_entries(
        self, connection: Connection, object_name: str, keys: Collection[str]
    ) -> int:
        """Delete entries; returns how many there were."""
        overwrite_deleted(connection)
        number = 0
        for part in parts(keys):
            gone = delete(ENTRY).where(*self._of(object_name), ENTRY.c.key.in_(part))
            number += connection.execute(gone).rowcount
        return number

    def clean_reports(self, connection: Connection, letters: Collection[tuple[str, str]]) -> int:
        """Take letters, by rule and key, out of the reports of runs; returns of how many."""
        overwrite_deleted(connection)
        query = select(RUN.c.id, RUN.c.report).where(*self.rows.where(RUN))
        cleaned = 0
        for row in connection.execute(query).all():
            report = without_letters(row.report or {}, letters)
            if report is not None:
                connection.execute(update(RUN).where(RUN.c.id == row.id).values(report=report))
                cleaned += 1
        return cleaned

    def _delete(self, connection: Connection, table: Table, **columns: str) -> None:
        overwrite_deleted(connection)
        same = (table.c[name] == value for name, value in columns.items())
        connection.execute(delete(table).where(*self.rows.where(table), *same))

    def _of(self, object_name: str) -> tuple[Any, ...]:
        return (*self.rows.where(ENTRY), ENTRY.c.object == object_name)


def versions_of(row: Any) -> tuple[Mapping[str, Any], ...]:
    """The versions of the record that a row holds."""
    earlier = (version.record for version in Version.unpacked(row.earlier))
    return (*earlier, row.record) if row.record else tuple(earlier)


def without_letters(
    report: Mapping[str, Any], letters: Collection[tuple[str, str]]
) -> dict[str, Any] | None:
    """A run's report without some letters; None if it lists none of them."""
    listed = report.get(LETTERS) or []
    kept = [letter for letter in listed if (letter["rule"], letter["key"]) not in letters]
    return None if len(kept) == len(listed) else {**report, LETTERS: kept}
