"""Where known records are: those that are gone, those that moved, and when each was last seen.

Few records are gone or have moved, so all of them are remembered for the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from singer_kit.times import microseconds, parse_utc
from sqlalchemy import select

from reverse_etl.ledger.entries import Changes, Entry
from reverse_etl.ledger.keys import Keys
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import ENTRY, OBJECT_KEYS


@dataclass(slots=True)
class Whereabouts:
    """The whereabouts of one account's records."""

    rows: Rows
    keys: Keys
    _gone: dict[str, set[str]] = field(default_factory=dict)
    """Keys of records that are gone, by object."""
    _moved: dict[str, dict[str, str]] = field(default_factory=dict)
    """CRM ids of records that have another one than before, by object and key."""
    _adopted: dict[str, int] = field(default_factory=dict)
    """When the entries of an object were first kept."""

    def is_gone(self, object_name: str, key: str) -> bool:
        """Returns True if a record was deleted or merged in the CRM."""
        self._load(object_name)
        gone = self._gone[object_name]
        return bool(gone) and self.keys.canonical(object_name, key) in gone

    def moved_to(self, object_name: str, key: str) -> str | None:
        """The CRM id of a record, if it had another one before."""
        self._load(object_name)
        moved = self._moved[object_name]
        return moved.get(self.keys.canonical(object_name, key)) if moved else None

    def verified_us(self, object_name: str, entry: Entry) -> int:
        """When the CRM was last seen to hold a record."""
        return max(entry.verified_us, self._adopted_us(object_name))

    def _load(self, object_name: str) -> None:
        if object_name in self._gone:
            return
        columns = (ENTRY.c.key, ENTRY.c.state, ENTRY.c.moved, ENTRY.c.crm_id)
        elsewhere = (ENTRY.c.state == "gone") | ENTRY.c.moved
        query = select(*columns).where(
            *self.rows.where(ENTRY), ENTRY.c.object == object_name, elsewhere
        )
        with self.rows.engine.connect() as connection:
            known = list(connection.execute(query))
        self._gone[object_name] = {row.key for row in known if row.state == "gone"}
        self._moved[object_name] = {
            row.key: row.crm_id for row in known if row.state == "settled" and row.crm_id
        }

    def _adopted_us(self, object_name: str) -> int:
        if object_name not in self._adopted:
            query = select(OBJECT_KEYS.c.verified_at).where(
                *self.rows.where(OBJECT_KEYS), OBJECT_KEYS.c.object == object_name
            )
            with self.rows.engine.connect() as connection:
                text = connection.scalar(query)
            self._adopted[object_name] = microseconds(parse_utc(text)) if text else 0
        return self._adopted[object_name]

    def note(self, changes: Changes) -> None:
        """Take over what was written."""
        if changes.object not in self._gone:
            return
        gone, moved = self._gone[changes.object], self._moved[changes.object]
        for entry in (*changes.entries, *(now for _, now in changes.seen)):
            (gone.add if entry.state == "gone" else gone.discard)(entry.key)
            if entry.moved and entry.state == "settled" and entry.crm_id:
                moved[entry.key] = entry.crm_id
            else:
                moved.pop(entry.key, None)
