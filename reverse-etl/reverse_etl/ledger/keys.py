"""The keys of an object's entries: each in one form, whichever way the source spells it.

A CRM whose key field ignores case has one record for `A` and `a`, so the ledger has one entry. What
older versions wrote under other spellings is brought into that form once, when a rule of the object
is first made ready.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, delete, select

from reverse_etl.ledger.entries import DamagedEntryError, Entry
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import ENTRY, ENTRY_COLUMNS, OBJECT_KEYS, WAITING_LINK, key_columns

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Keys:
    """The form of the keys of one account's objects."""

    rows: Rows
    _folded: dict[str, bool] | None = field(default=None)

    def canonical(self, object_name: str, key: str) -> str:
        """A key in the form in which the ledger has it."""
        if self._folded is None:
            query = select(OBJECT_KEYS.c.object, OBJECT_KEYS.c.folds_case).where(
                *self.rows.where(OBJECT_KEYS)
            )
            with self.rows.engine.connect() as connection:
                self._folded = {row.object: row.folds_case for row in connection.execute(query)}
        return key.casefold() if self._folded.get(object_name) else key

    def adopt(self, object_name: str, key_field: str, *, folds_case: bool) -> None:
        """Bring the keys of an object's entries into the form that its field asks for.

        Raises: LedgerError.
        """
        of_object = (*self.rows.where(OBJECT_KEYS), OBJECT_KEYS.c.object == object_name)
        with self.rows.engine.connect() as connection:
            known = connection.execute(select(OBJECT_KEYS).where(*of_object)).first()
        if known is not None and (known.key_field, known.folds_case) == (key_field, folds_case):
            return

        with self.rows.writing() as connection:
            if known is not None and known.key_field != key_field:
                self._forget(connection, object_name, known.key_field, key_field)
            elif folds_case:
                self._fold(connection, object_name)
            self._remember(connection, object_name, key_field, folds_case)
        self._folded = None

    def _remember(
        self, connection: Connection, object_name: str, key_field: str, folds_case: bool
    ) -> None:
        columns = {"key_field": key_field, "folds_case": folds_case}
        row = self.rows.owned(object=object_name, **columns, verified_at=self.rows.now())
        insert = self.rows.insert(OBJECT_KEYS).values(**row)
        connection.execute(
            insert.on_conflict_do_update(index_elements=key_columns(OBJECT_KEYS), set_=columns)
        )

    def _forget(
        self, connection: Connection, object_name: str, before: str, key_field: str
    ) -> None:
        """Entries under another key field say nothing: the CRM is asked for each record again."""
        logger.warning(
            "%s: the upsert key was %s and is %s now; its records are looked up again",
            object_name, before, key_field,
        )  # fmt: skip
        of_object = (*self.rows.where(ENTRY), ENTRY.c.object == object_name)
        connection.execute(delete(ENTRY).where(*of_object))

    def _fold(self, connection: Connection, object_name: str) -> None:
        """Give each entry its key without case; entries that then have one key become one."""
        of_object = (*self.rows.where(ENTRY), ENTRY.c.object == object_name)
        keys = connection.scalars(select(ENTRY.c.key).where(*of_object)).all()
        spelled = [key for key in keys if key != key.casefold()]
        columns = ENTRY_COLUMNS
        entries: dict[str, list[Entry]] = {}
        for part in parts([*spelled, *(key.casefold() for key in spelled)]):
            query = select(*columns).where(*of_object, ENTRY.c.key.in_(part))
            for row in connection.execute(query):
                with suppress(DamagedEntryError):  # it says nothing; the record is looked up
                    entries.setdefault(row.key.casefold(), []).append(Entry.unpacked(*row))
        for part in parts(spelled):
            connection.execute(delete(ENTRY).where(*of_object, ENTRY.c.key.in_(part)))
        self._write(connection, object_name, [merged(*pair) for pair in entries.items()])
        self._fold_waiting(connection, object_name)

    def _write(self, connection: Connection, object_name: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            columns = {
                "crm_id": entry.crm_id, "state": entry.state, "fields": entry.packed(),
                "verified_us": entry.verified_us, "moved": entry.moved,
                "run_id": self.rows.scope.run_id,
            }  # fmt: skip
            key = self.rows.owned(object=object_name, key=entry.key)
            insert = self.rows.insert(ENTRY).values(**key, **columns)
            connection.execute(
                insert.on_conflict_do_update(index_elements=key_columns(ENTRY), set_=columns)
            )

    def _fold_waiting(self, connection: Connection, object_name: str) -> None:
        """What waits gets the keys of its entries; of two rows for one key the newer stays."""
        of_object = (*self.rows.where(WAITING_LINK), WAITING_LINK.c.object == object_name)
        query = select(WAITING_LINK).where(*of_object)
        newest: dict[tuple[str, str, str], dict[str, object]] = {}
        rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in sorted(rows, key=lambda row: int(row["observed_us"])):
            row["key"] = str(row["key"]).casefold()
            newest[row["rule"], row["key"], row["to_object"]] = row
        connection.execute(delete(WAITING_LINK).where(*of_object))
        for row in newest.values():
            connection.execute(self.rows.insert(WAITING_LINK).values(**row))


def merged(key: str, entries: Iterable[Entry]) -> Entry:
    """One entry of several spellings of a key: what is settled, the newest mark of each field."""
    ranked = sorted(entries, key=lambda entry: (entry.state == "settled", newest_us(entry)))
    last = ranked[-1]
    if len(ranked) == 1:
        return replace(last, key=key)
    marks = dict(last.marks)
    for entry in ranked[:-1]:
        for name, mark in entry.marks.items():
            if name not in marks or marks[name].observed_us < mark.observed_us:
                marks[name] = mark
    return replace(last, key=key, fingerprints={}, marks=marks)


def newest_us(entry: Entry) -> int:
    """When the newest field of an entry was observed."""
    return max((mark.observed_us for mark in entry.marks.values()), default=0)
