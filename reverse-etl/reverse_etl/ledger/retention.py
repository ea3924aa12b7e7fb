"""What leaves the ledger of one account because it is old, or because letters keep no values.

Entries stay: they hold keys, CRM ids and hashes, without which records would be created twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from singer_kit.times import utc_text
from sqlalchemy import Connection, delete, func, select, update

from reverse_etl.ledger.entries import DeadLetter
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import DEAD_LETTER, OUTCOME, RUN, WAITING_LINK
from reverse_etl.ledger.versions import Version
from reverse_etl.ledger.waiting import WaitingRows

logger = logging.getLogger(__name__)

LETTERS_A_PART = 500
"""Dead letters that are masked at a time."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes old rows, and masks dead letters."""

    rows: Rows
    waiting: WaitingRows

    def mask(self, *, logs: bool = True) -> None:
        """Take the values out of all dead letters, open and closed, and out of what waits.

        Raises: LedgerError.
        """
        with self.rows.writing() as connection:
            masked, waiting = self._mask(connection), self.waiting.mask(connection)
        if masked and logs:
            logger.info("the values of %d dead letters were deleted: mask_dead_letters", masked)
        if waiting and logs:
            logger.info("the values of %d waiting records were deleted: mask_dead_letters", waiting)

    def delete_older(self, days: float, *, logs: bool = True) -> None:
        """Delete what is older than this many days. Raises: LedgerError.

        Closed dead letters, runs and their outcomes go. An open letter loses its values, and so
        does what waits: the record is still not delivered, and someone may have to know.
        """
        limit = utc_text(self.rows.clock() - timedelta(days=days))
        with self.rows.writing() as connection:
            overwrite_deleted(connection)
            closed = (*self.rows.where(DEAD_LETTER), DEAD_LETTER.c.closed_at < limit)
            letters = connection.execute(delete(DEAD_LETTER).where(*closed)).rowcount
            runs = self._delete_runs(connection, limit)
            is_old = (DEAD_LETTER.c.closed_at.is_(None), DEAD_LETTER.c.last_at < limit)
            masked = self._mask(connection, *is_old)
            waiting = self.waiting.mask(connection, WAITING_LINK.c.since < limit)
        if logs and waiting:
            logger.info("the values of %d waiting records were deleted: retention_days", waiting)
        if logs and (letters or runs):
            logger.info(
                "retention_days: %d closed dead letters and %d runs were deleted", letters, runs
            )
        if logs and masked:
            logger.warning(
                "retention_days: the values of %d open dead letters were deleted; they are tried "
                "again when their records come again",
                masked,
            )

    def _delete_runs(self, connection: Connection, limit: str) -> int:
        """Delete runs that ended, or were killed, before a moment, and what they did."""
        old = (*self.rows.where(RUN), func.coalesce(RUN.c.ended_at, RUN.c.began_at) < limit)
        ids = select(RUN.c.id).where(*old)
        connection.execute(
            delete(OUTCOME)
            .where(*self.rows.where(OUTCOME), OUTCOME.c.run_id.in_(ids))
            .execution_options(synchronize_session=False)
        )
        return connection.execute(delete(RUN).where(*old)).rowcount

    def _mask(self, connection: Connection, *conditions: Any) -> int:
        """Take the values out of letters; returns of how many."""
        overwrite_deleted(connection)
        masked, last = 0, ("", "")
        while rows := self._letters_after(connection, last, conditions):
            for row in rows:
                last = (row.rule, row.key)
                if row.record or row.earlier:
                    self._mask_row(connection, row)
                    masked += 1
        return masked

    def _letters_after(
        self, connection: Connection, last: tuple[str, str], conditions: tuple[Any, ...]
    ) -> list[Any]:
        rule, key = last
        after = (DEAD_LETTER.c.rule > rule) | (
            (DEAD_LETTER.c.rule == rule) & (DEAD_LETTER.c.key > key)
        )
        query = (
            select(DEAD_LETTER)
            .where(*self.rows.where(DEAD_LETTER), after, *conditions)
            .order_by(DEAD_LETTER.c.rule, DEAD_LETTER.c.key)
        )
        return list(connection.execute(query.limit(LETTERS_A_PART)).all())

    def _mask_row(self, connection: Connection, row: Any) -> None:
        letter = DeadLetter(
            row.rule, row.key, row.stream, row.object, row.stage, row.code, row.message, row.hint,
            row.record, row.observed_us, earlier=Version.unpacked(row.earlier),
            properties=tuple(row.properties),
        ).masked()  # fmt: skip
        values = {"record": {}, "earlier": [], "properties": list(letter.properties)}
        same = (DEAD_LETTER.c.rule == row.rule, DEAD_LETTER.c.key == row.key)
        connection.execute(
            update(DEAD_LETTER).where(*self.rows.where(DEAD_LETTER), *same).values(**values)
        )


def overwrite_deleted(connection: Connection) -> None:
    """Have SQLite overwrite what is deleted; it would stay in the file until its page is used."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
