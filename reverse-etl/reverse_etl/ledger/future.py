"""Observed times of the future that an earlier version let into the ledger.

They would outlive every later observation, so they are replaced where they are met.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from singer_kit.times import CLOCK_SKEW, microseconds, parse_utc
from sqlalchemy import Connection, select, update

from reverse_etl.ledger.entries import Entry
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import DEAD_LETTER, WAITING_LINK

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class FutureTimes:
    """Replaces observed times of the future, and says so once a run."""

    rows: Rows
    _reported: bool = False

    def latest_us(self) -> int:
        """The latest time at which anything can have been observed, in microseconds."""
        return microseconds(self.rows.clock() + CLOCK_SKEW)

    def healed(self, entry: Entry, latest_us: int) -> Entry:
        """The entry, without times after this one."""
        if not entry.is_ahead(latest_us):
            return entry
        self._report()
        return entry.healed(latest_us)

    def heal_rows(self, connection: Connection) -> None:
        """Give letters and what waits the time at which they were written."""
        latest_us = self.latest_us()
        for table, written_at in (
            (DEAD_LETTER, DEAD_LETTER.c.last_at),
            (WAITING_LINK, WAITING_LINK.c.since),
        ):
            ahead = (*self.rows.where(table), table.c.observed_us > latest_us)
            for text in connection.scalars(select(written_at).where(*ahead).distinct()).all():
                self._report()
                known_us = microseconds(parse_utc(text))
                heal = update(table).where(*ahead, written_at == text)
                connection.execute(heal.values(observed_us=known_us))

    def _report(self) -> None:
        if not self._reported:
            self._reported = True
            logger.warning(
                "The ledger holds observations of the future: the next observation of these fields "
                "replaces them"
            )
