"""Links, and writes that need them, that wait for the link's other end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from singer_kit.times import utc_text
from sqlalchemy import Connection, delete, select

from reverse_etl.ledger.entries import Waiting
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import WaitingLinkRow

KEY = ["crm", "account", "rule", "key", "to_object"]


@dataclass(frozen=True, slots=True)
class WaitingRows:
    """Reads what waits, and writes it within a transaction of the ledger."""

    rows: Rows

    def of(self, rule: str) -> list[Waiting]:
        """What waits of a rule, oldest first."""
        query = (
            select(WaitingLinkRow)
            .where(*self.rows.where(WaitingLinkRow), WaitingLinkRow.rule == rule)
            .order_by(WaitingLinkRow.since, WaitingLinkRow.key)
        )
        with self.rows.engine.connect() as connection:
            return [
                Waiting(
                    row.rule, row.key, row.object, row.to_object, row.to_key, row.source_key,
                    row.observed_us, row.record, row.since, row.run_id,
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def cutoff(self, days: float) -> str:
        """The moment this many days ago, as the tables keep it."""
        return utc_text(self.rows.clock() - timedelta(days=days))

    def write(self, connection: Connection, waiting: Sequence[Waiting]) -> None:
        """Keep what waits; `since` and the run stay those of the first time."""
        for row in waiting:
            columns = {
                "object": row.object, "to_key": row.to_key, "source_key": row.source_key,
                "record": dict(row.record) if row.record is not None else None,
                "observed_us": row.observed_us,
            }  # fmt: skip
            key = self.rows.owned(rule=row.rule, key=row.key, to_object=row.to_object)
            insert = self.rows.insert(WaitingLinkRow).values(
                **key, **columns, since=self.rows.now(), run_id=self.rows.scope.run_id
            )
            connection.execute(insert.on_conflict_do_update(index_elements=KEY, set_=columns))

    def remove(self, connection: Connection, done: Sequence[tuple[str, str, str]]) -> None:
        """Forget what no longer waits, by rule, key and the object of the other end."""
        for rule, key, to_object in done:
            connection.execute(
                delete(WaitingLinkRow).where(
                    *self.rows.where(WaitingLinkRow),
                    WaitingLinkRow.rule == rule,
                    WaitingLinkRow.key == key,
                    WaitingLinkRow.to_object == to_object,
                )
            )
