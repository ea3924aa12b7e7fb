"""Links, and writes that need them, that wait for the link's other end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from singer_kit.times import utc_text
from sqlalchemy import Connection, delete, select

from reverse_etl.ledger.entries import Waiting
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import WAITING_LINK, key_columns
from reverse_etl.ledger.versions import Version


@dataclass(frozen=True, slots=True)
class WaitingRows:
    """Reads what waits, and writes it within a transaction of the ledger."""

    rows: Rows

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
        return [
            Waiting(
                row.rule, row.key, row.object, row.to_object, row.to_key, row.source_key,
                row.observed_us, row.record, row.since, row.run_id,
                Version.unpacked(row.earlier), row.whole,
            )
            for row in connection.execute(query)
        ]  # fmt: skip

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
            connection.execute(
                delete(WAITING_LINK).where(
                    *self.rows.where(WAITING_LINK),
                    WAITING_LINK.c.rule == rule,
                    WAITING_LINK.c.key == key,
                    WAITING_LINK.c.to_object == to_object,
                )
            )
