"""When each rule last filtered a record, so that an older version does not make it after all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import FILTERED, key_columns


@dataclass(frozen=True, slots=True)
class FilteredRows:
    """Reads when records were filtered, and writes it within a transaction of the ledger."""

    rows: Rows

    def newest(self, rule: str, source_keys: Iterable[str]) -> dict[str, int]:
        """When records were last filtered by a rule, by source key, in microseconds."""
        newest: dict[str, int] = {}
        with self.rows.engine.connect() as connection:
            for keys in parts(source_keys):
                query = select(FILTERED.c.key, FILTERED.c.observed_us).where(
                    *self.rows.where(FILTERED),
                    FILTERED.c.rule == rule,
                    FILTERED.c.key.in_(keys),
                )
                newest |= {row.key: row.observed_us for row in connection.execute(query)}
        return newest

    def write(self, connection: Connection, filtered: Sequence[tuple[str, str, int]]) -> None:
        """Keep the newest time of each, by rule and source key."""
        if not filtered:
            return
        insert = self.rows.insert(FILTERED)
        newer = insert.excluded.observed_us
        upsert = insert.on_conflict_do_update(
            index_elements=key_columns(FILTERED),
            set_={"observed_us": newer},
            where=FILTERED.c.observed_us < newer,
        )
        rows = [
            self.rows.owned(rule=rule, key=key, observed_us=observed_us)
            for rule, key, observed_us in filtered
        ]
        connection.execute(upsert, rows)
