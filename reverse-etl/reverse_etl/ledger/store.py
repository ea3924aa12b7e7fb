"""Reading and writing the ledger: blocks in, one transaction each.

The state of a key moves only along `TRANSITIONS`; anything else raises. A hash is stored only for a
value that the CRM has accepted or was seen to hold.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, select, update

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.audit import AuditRows
from reverse_etl.ledger.claims import Claims
from reverse_etl.ledger.database import open_database
from reverse_etl.ledger.entries import (
    TRANSITIONS,
    Changes,
    DamagedEntryError,
    Entry,
    Scope,
    State,
)
from reverse_etl.ledger.filtered import FilteredRows
from reverse_etl.ledger.future import FutureTimes
from reverse_etl.ledger.keys import Keys
from reverse_etl.ledger.letters import Letters
from reverse_etl.ledger.lost_fields import LostFields
from reverse_etl.ledger.personal import PersonalRows
from reverse_etl.ledger.retention import Retention
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.rule_versions import RuleVersions
from reverse_etl.ledger.run_values import RunValues
from reverse_etl.ledger.schemas import StreamSchemas
from reverse_etl.ledger.tables import ENTRY, ENTRY_COLUMNS, OUTCOME, RUN, key_columns
from reverse_etl.ledger.tombstones import Tombstones
from reverse_etl.ledger.unfinished import DoubtRows, JobRows
from reverse_etl.ledger.waiting import WaitingRows
from reverse_etl.ledger.whereabouts import Whereabouts

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class Ledger:
    """The ledger of one account, for one run; close it when the run has ended."""

    def __init__(
        self,
        engine: Engine,
        scope: Scope,
        now: Callable[[], datetime] = utc_now,
        *,
        masks_letters: bool = False,
    ) -> None:
        self.engine, self.scope = engine, scope
        self.rows = Rows(engine, scope, now)
        self.audit = AuditRows(self.rows)
        self.claims = Claims(self.rows)
        self.keys = Keys(self.rows)
        self.whereabouts = Whereabouts(self.rows, self.keys)
        self.lost_fields = LostFields(self.rows)
        self.values = RunValues() if masks_letters else None
        self.letters = Letters(self.rows, self.values)
        self.waiting = WaitingRows(self.rows, self.values)
        self.retention = Retention(self.rows, self.waiting)
        self.filtered = FilteredRows(self.rows)
        self.schemas = StreamSchemas(self.rows)
        self.jobs = JobRows(self.rows)
        self.doubts = DoubtRows(self.rows)
        self.future = FutureTimes(self.rows)
        self.rule_versions = RuleVersions(self.rows)
        self.tombstones = Tombstones(self.rows)
        self.personal = PersonalRows(self.rows)

    @staticmethod
    def open(url: str) -> Engine:
        """A migrated engine for a ledger's URL. Raises: LedgerError."""
        return open_database(url)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()
        if self.values is not None:
            self.values.close()

    # Runs

    def begin_run(self) -> None:
        """Record that the run began."""
        columns = self.rows.owned(id=self.scope.run_id, began_at=self.rows.now())
        with self.rows.writing() as connection:
            connection.execute(insert(RUN).values(**columns))
            self.future.heal_rows(connection)

    def end_run(
        self, exit_code: int, report: Mapping[str, Any], outcomes: Mapping[tuple[str, str], int]
    ) -> None:
        """Record how the run ended and what it did; its claims end."""
        self.claims.end()
        ended = {"ended_at": self.rows.now(), "exit_code": exit_code, "report": dict(report)}
        rows = [
            self.rows.owned(run_id=self.scope.run_id, object=name, outcome=outcome, rows=number)
            for (name, outcome), number in outcomes.items()
            if number
        ]
        with self.rows.writing() as connection:
            connection.execute(update(RUN).where(RUN.c.id == self.scope.run_id).values(**ended))
            if rows:
                connection.execute(insert(OUTCOME), rows)

    # Entries

    def entries(self, object_name: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Entries by key; unknown keys are left out, and those of damaged rows with them."""
        entries: dict[str, Entry] = {}
        damaged: list[Any] = []
        latest_us = self.future.latest_us()
        with self.engine.connect() as connection:
            for part in parts(keys):
                query = select(*ENTRY_COLUMNS).where(*self._of(object_name), ENTRY.c.key.in_(part))
                for row in connection.execute(query):
                    try:
                        entry = Entry.unpacked(*row)
                    except DamagedEntryError:
                        damaged.append(row)
                    else:
                        entries[entry.key] = self.future.healed(entry, latest_us)
        if damaged:
            self._forget(object_name, damaged)
        return entries

    def _forget(self, object_name: str, damaged: Sequence[Any]) -> None:
        """Remove rows that say nothing: their records are looked up in the CRM, as unknown ones.

        A row that another process has written since it was read stays.
        """
        number = len(damaged)
        logger.warning("%s: %d entries are damaged; they are looked up again", object_name, number)
        with self.rows.writing() as connection:
            for row in damaged:
                same = (ENTRY.c.key == row.key, ENTRY.c.fields == row.fields)
                connection.execute(delete(ENTRY).where(*self._of(object_name), *same))

    def crm_ids(self, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """CRM ids of settled entries, by key; keys may be spelled as the source does."""
        columns = (ENTRY.c.key, ENTRY.c.crm_id)
        settled = (*self._of(object_name), ENTRY.c.state == "settled")
        spelled: dict[str, list[str]] = {}
        for key in keys:
            spelled.setdefault(self.keys.canonical(object_name, key), []).append(key)
        crm_ids: dict[str, str] = {}
        with self.engine.connect() as connection:
            for part in parts(spelled):
                query = select(*columns).where(*settled, ENTRY.c.key.in_(part))
                for row in connection.execute(query):
                    crm_ids |= dict.fromkeys(spelled[row.key], row.crm_id) if row.crm_id else {}
        return crm_ids

    def holders(self, object_name: str, crm_ids: Iterable[str]) -> dict[str, str]:
        """The key that holds a CRM record, by CRM id."""
        columns = (ENTRY.c.crm_id, ENTRY.c.key)
        settled = (*self._of(object_name), ENTRY.c.state == "settled")
        holders: dict[str, str] = {}
        with self.engine.connect() as connection:
            for part in parts(crm_ids):
                query = select(*columns).where(*settled, ENTRY.c.crm_id.in_(part))
                holders |= {str(row.crm_id): row.key for row in connection.execute(query)}
        return holders

    def count(self, object_name: str) -> int:
        """The number of settled entries of an object."""
        query = (
            select(func.count())
            .select_from(ENTRY)
            .where(*self._of(object_name), ENTRY.c.state == "settled")
        )
        with self.engine.connect() as connection:
            return connection.scalar(query) or 0

    def _of(self, object_name: str) -> tuple[Any, ...]:
        return (*self.rows.where(ENTRY), ENTRY.c.object == object_name)

    # Writing

    def apply(self, changes: Changes) -> None:
        """Write everything of one block, or nothing. Raises: LedgerError."""
        if not changes:
            return
        with self.rows.writing() as connection:
            self._write_entries(connection, changes)
            self._write_seen(connection, changes)
            self.letters.write(connection, changes.dead)
            self.letters.close(connection, changes.closed)
            self.waiting.remove(connection, changes.done_waiting)
            self.waiting.write(connection, changes.waiting)
            self.filtered.write(connection, changes.filtered)
        self.whereabouts.note(changes)

    def _write_entries(self, connection: Connection, changes: Changes) -> None:
        if not changes.entries:
            return
        self._check_transitions(connection, changes.object, changes.entries)
        rows = [
            self.rows.owned(
                object=changes.object, key=entry.key, crm_id=entry.crm_id, state=entry.state,
                fields=entry.packed(), verified_us=entry.verified_us, moved=entry.moved,
                run_id=self.scope.run_id,
            )
            for entry in changes.entries
        ]  # fmt: skip
        statement = self.rows.insert(ENTRY)
        columns = {
            name: statement.excluded[name]
            for name in ("crm_id", "state", "fields", "verified_us", "moved", "run_id")
        }
        connection.execute(
            statement.on_conflict_do_update(index_elements=key_columns(ENTRY), set_=columns), rows
        )

    def _write_seen(self, connection: Connection, changes: Changes) -> None:
        """Note what was seen later. An entry that was written since it was read stays.

        The records need no claim: what another process has written of them meanwhile is newer.
        """
        if not changes.seen:
            return
        rows = [
            {
                "seen_key": before.key,
                "seen_id": before.crm_id or "",
                "before": before.packed(),
                "after": after.packed(),
                "now": after.state,
                "at": after.verified_us,
            }
            for before, after in changes.seen
        ]
        statement = (
            update(ENTRY)
            .where(
                *self._of(changes.object),
                ENTRY.c.key == bindparam("seen_key"),
                func.coalesce(ENTRY.c.crm_id, "") == bindparam("seen_id"),
                ENTRY.c.fields == bindparam("before"),
            )
            .values(fields=bindparam("after"), state=bindparam("now"), verified_us=bindparam("at"))
        )
        connection.execute(statement, rows)

    def _check_transitions(
        self, connection: Connection, object_name: str, entries: Sequence[Entry]
    ) -> None:
        """Raises: LedgerError if an entry would go to a state that its present one forbids, or
        would get the CRM id of another key."""
        before: dict[str, tuple[State, str | None]] = {}
        columns = (ENTRY.c.key, ENTRY.c.state, ENTRY.c.crm_id)
        for part in parts(entry.key for entry in entries):
            query = select(*columns).where(*self._of(object_name), ENTRY.c.key.in_(part))
            before |= {row.key: (row.state, row.crm_id) for row in connection.execute(query)}
        gained: dict[str, str] = {}
        for entry in entries:
            state, crm_id = before.get(entry.key, (None, None))
            if entry.state not in TRANSITIONS[state]:
                raise bug(f"{object_name}: an entry cannot go from {state} to {entry.state}.")
            gains = entry.state == "settled" and entry.crm_id and entry.crm_id != crm_id
            if gains and gained.setdefault(str(entry.crm_id), entry.key) != entry.key:
                raise bug(f"{object_name} {entry.crm_id} would be under two keys.")
        self._check_held(connection, object_name, gained)

    def _check_held(
        self, connection: Connection, object_name: str, gained: Mapping[str, str]
    ) -> None:
        """Raises: LedgerError if a CRM id that a key would get is under another key."""
        columns = (ENTRY.c.crm_id, ENTRY.c.key)
        settled = (*self._of(object_name), ENTRY.c.state == "settled")
        for part in parts(gained):
            query = select(*columns).where(*settled, ENTRY.c.crm_id.in_(part))
            for row in connection.execute(query):
                if row.key != gained[str(row.crm_id)]:
                    raise bug(f"{object_name} {row.crm_id} would be under two keys.")


def bug(message: str) -> LedgerError:
    """What only an error of this package can cause."""
    return LedgerError(message, "This is a bug: please report it.")
