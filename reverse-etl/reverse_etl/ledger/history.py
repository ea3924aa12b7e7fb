"""What the ledger knows of one key: where its record is, what waits, and what was rejected.

Nothing here holds a value of the record: entries keep hashes, and letters are shown without theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from singer_kit.times import utc_text
from sqlalchemy import Connection, Engine, Table, or_, select

from reverse_etl.ledger.entries import DamagedEntryError, Entry, Scope
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import (
    CLAIM,
    DEAD_LETTER,
    ENTRY,
    FILTERED,
    OBJECT_KEYS,
    RUN,
    TOMBSTONE,
    WAITING_LINK,
)
from reverse_etl.ledger.tombstones import Tombstones

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENDED = ("began_at", "ended_at", "exit_code")
"""What is shown of the run that wrote a row last."""


@dataclass(frozen=True, slots=True)
class History:
    """Reads what one account knows of a key."""

    engine: Engine
    scope: Scope
    key: str

    def content(self) -> dict[str, Any]:
        """Everything, as a JSON object of lists; all are empty if the key is not known."""
        with self.engine.connect() as connection:
            return {
                "records": [*self._records(connection)],
                "waiting": [*self._waiting(connection)],
                "dead_letters": [*self._letters(connection)],
                "filtered": [*self._filtered(connection)],
                "erased": [*self._erased(connection)],
            }

    def _records(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """Where the records of the key are in the CRM, and what they are known to hold."""
        spelled = ENTRY.c.key.in_({self.key, self.key.casefold()})
        for row in connection.execute(self._of(ENTRY).where(spelled).order_by(ENTRY.c.object)):
            record = {
                "object": row.object,
                "key": row.key,
                "state": row.state,
                "crm_id": row.crm_id,
                "moved": row.moved,
                "seen_in_crm_at": moment(row.verified_us),
                "written_by": self._run(connection, row.run_id),
                "claimed_until": self._claim(connection, row.object, row.key),
            }
            try:
                entry = Entry.unpacked(
                    row.key, row.state, row.crm_id, row.fields, row.verified_us, row.moved
                )
            except DamagedEntryError:
                yield {**record, "damaged": True}
                continue
            fields = {name: moment(mark.observed_us) for name, mark in entry.marks.items()}
            yield {
                **record,
                "delivered_by": sorted(entry.fingerprints),
                "observed": dict(sorted(fields.items())),
                "linked": {name: list(ids) for name, ids in entry.linked.items()},
            }

    def _waiting(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """What waits of the key, and what waits for it."""
        table = WAITING_LINK
        named = or_(
            table.c.key == self.key, table.c.source_key == self.key, table.c.to_key == self.key
        )
        for row in connection.execute(self._of(table).where(named).order_by(table.c.since)):
            yield {
                "rule": row.rule,
                "object": row.object,
                "key": row.key,
                "waits_for": row.to_object,
                "with_key": row.to_key,
                "whole_record": row.whole,
                "since": row.since,
                "observed_at": moment(row.observed_us),
            }

    def _letters(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """Dead letters of the key, closed ones included."""
        names = (
            "rule", "stream", "object", "stage", "code", "message", "hint", "times", "first_at",
            "last_at", "closed_at",
        )  # fmt: skip
        same = self._of(DEAD_LETTER).where(DEAD_LETTER.c.key == self.key)
        for row in connection.execute(same.order_by(DEAD_LETTER.c.first_at)):
            letter = {name: getattr(row, name) for name in names}
            yield letter | {"observed_at": moment(row.observed_us), "masked": not row.record}

    def _filtered(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """Rules that filtered the record when they saw it last."""
        same = self._of(FILTERED).where(FILTERED.c.key == self.key)
        for row in connection.execute(same.order_by(FILTERED.c.rule)):
            yield {"rule": row.rule, "observed_at": moment(row.observed_us)}

    def _erased(self, connection: Connection) -> Iterator[dict[str, Any]]:
        """Tombstones of the key."""
        tombstones = Tombstones(Rows(self.engine, self.scope, lambda: datetime.now(UTC)))
        folding = self._of(OBJECT_KEYS).where(OBJECT_KEYS.c.folds_case)
        folded = {row.object for row in connection.execute(folding)}
        for row in connection.execute(self._of(TOMBSTONE)):
            key = self.key.casefold() if row.object in folded else self.key
            if row.key_hash == tombstones.hash_of(connection, row.object, key):
                yield {"object": row.object, "erased_at": row.erased_at, "hash": row.key_hash}

    def _run(self, connection: Connection, run_id: str) -> dict[str, Any] | None:
        """The run that wrote a row; None if it is no longer kept."""
        row = connection.execute(self._of(RUN).where(RUN.c.id == run_id)).first()
        return None if row is None else {name: getattr(row, name) for name in ENDED}

    def _claim(self, connection: Connection, object_name: str, key: str) -> str | None:
        """Until when a process has the key to itself."""
        same = (CLAIM.c.object == object_name, CLAIM.c.key == key)
        row = connection.execute(self._of(CLAIM).where(*same)).first()
        return None if row is None else str(row.until)

    def _of(self, table: Table) -> Any:
        mine = (table.c.crm == self.scope.crm, table.c.account == self.scope.account)
        return select(table).where(*mine)


def moment(microseconds: int) -> str | None:
    """A time of the ledger as text; None if it is not known."""
    return utc_text(EPOCH + timedelta(microseconds=microseconds)) if microseconds else None
