"""Links, and writes that need them, that wait for the link's other end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from singer_kit.times import utc_text
from sqlalchemy import Connection, String, cast, delete, func, select, update

from reverse_etl.ledger.entries import Waiting
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.run_values import RunValues, Values
from reverse_etl.ledger.tables import WAITING_LINK, key_columns
from reverse_etl.ledger.versions import Version

NO_RECORD = "null"
"""The JSON of a row that keeps no values."""


@dataclass(frozen=True, slots=True)
class WaitingRows:
    """Reads what waits, and writes it within a transaction of the ledger."""

    rows: Rows
    values: RunValues | None = None
    """The values of what this run lets wait if the ledger keeps none."""

    def of(self, rule: str) -> list[Waiting]:
        """What waits of a rule, oldest first."""
        with self.rows.engine.connect() as connection:
            return self._read(connection, WAITING_LINK.c.rule == rule)

    def any(self, rule: str) -> bool:
        """Returns True if anything of a rule waits."""
        query = select(WAITING_LINK.c.key).where(
            *self.rows.where(WAITING_LINK), WAITING_LINK.c.rule == rule
        )
        with self.rows.engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def of_keys(self, rule: str, keys: Iterable[str]) -> list[Waiting]:
        """What waits of a rule under these keys."""
        return self._among(rule, WAITING_LINK.c.key, keys)

    def of_sources(self, rule: str, source_keys: Iterable[str]) -> list[Waiting]:
        """What waits of a rule, and came last from the source under these keys."""
        return self._among(rule, WAITING_LINK.c.source_key, source_keys)

    def _among(self, rule: str, column: Any, keys: Iterable[str]) -> list[Waiting]:
        waiting: list[Waiting] = []
        if not self.any(rule):  # the common case
            return waiting
        with self.rows.engine.connect() as connection:
            for part in parts(keys):
                waiting += self._read(connection, WAITING_LINK.c.rule == rule, column.in_(part))
        return waiting

    def _read(self, connection: Connection, *conditions: Any) -> list[Waiting]:
        query = (
            select(WAITING_LINK)
            .where(*self.rows.where(WAITING_LINK), *conditions)
            .order_by(WAITING_LINK.c.since, WAITING_LINK.c.key)
        )
        return [self._waiting(row) for row in connection.execute(query)]

    def _waiting(self, row: Any) -> Waiting:
        """What a row says."""
        values = Values(row.record, Version.unpacked(row.earlier))
        if self.values is not None and not row.record:
            name = (row.rule, row.key, row.to_object)
            values = self.values.of(name, row.observed_us)
        return Waiting(
            row.rule, row.key, row.object, row.to_object, row.to_key, row.source_key,
            row.observed_us, values.record, row.since, row.run_id, values.earlier, row.whole,
        )  # fmt: skip

    def whole_and_masked(self) -> int:
        """The number of writes that wait and are in the ledger without their values."""
        query = select(func.count()).where(
            *self.rows.where(WAITING_LINK),
            WAITING_LINK.c.whole,
            cast(WAITING_LINK.c.record, String) == NO_RECORD,
        )
        with self.rows.engine.connect() as connection:
            return connection.scalar(query) or 0

    def mask(self, connection: Connection, *conditions: Any) -> int:
        """Take the values out of what waits; returns of how many rows."""
        held = cast(WAITING_LINK.c.record, String) != NO_RECORD
        query = update(WAITING_LINK).where(*self.rows.where(WAITING_LINK), held, *conditions)
        return connection.execute(query.values(record=None, earlier=[])).rowcount

    def cutoff(self, days: float) -> str:
        """The moment this many days ago, as the tables keep it."""
        return utc_text(self.rows.clock() - timedelta(days=days))

    def write(self, connection: Connection, waiting: Sequence[Waiting]) -> None:
        """Keep what waits; `since` and the run stay those of the first time.

        A row that waits already keeps what it says and the new one does not.
        """
        for new in waiting:
            known = self._known(connection, new)
            row = new.joined(known) if known is not None else new
            if self.values is not None:
                values = Values(row.record, row.earlier)
                self.values.keep(row.name, row.observed_us, values)
                row = row.masked()
            columns = {
                "object": row.object, "to_key": row.to_key, "source_key": row.source_key,
                "record": dict(row.record) if row.record is not None else None,
                "earlier": [version.packed() for version in row.earlier],
                "whole": row.whole, "observed_us": row.observed_us,
            }  # fmt: skip
            key = self.rows.owned(rule=row.rule, key=row.key, to_object=row.to_object)
            insert = self.rows.insert(WAITING_LINK).values(
                **key, **columns, since=row.since or self.rows.now(),
                run_id=row.run_id or self.rows.scope.run_id,
            )  # fmt: skip
            connection.execute(
                insert.on_conflict_do_update(index_elements=key_columns(WAITING_LINK), set_=columns)
            )

    def _known(self, connection: Connection, row: Waiting) -> Waiting | None:
        """The row that waits already for the same link of the same record."""
        known = self._read(
            connection,
            WAITING_LINK.c.rule == row.rule,
            WAITING_LINK.c.key == row.key,
            WAITING_LINK.c.to_object == row.to_object,
        )
        return known[0] if known else None

    def remove(self, connection: Connection, done: Sequence[tuple[str, str, str]]) -> None:
        """Forget what no longer waits, by rule, key and the object of the other end."""
        for rule, key, to_object in done:
            if self.values is not None:
                self.values.drop((rule, key, to_object))
            connection.execute(
                delete(WAITING_LINK).where(
                    *self.rows.where(WAITING_LINK),
                    WAITING_LINK.c.rule == rule,
                    WAITING_LINK.c.key == key,
                    WAITING_LINK.c.to_object == to_object,
                )
            )
