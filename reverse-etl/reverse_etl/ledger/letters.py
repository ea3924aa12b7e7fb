"""The dead letters of one account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from reverse_etl.ledger.entries import DeadLetter
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import DEAD_LETTER, key_columns
from reverse_etl.ledger.versions import Version


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some of the dead letters of a run were opened."""

    rule: str
    stage: str
    code: str
    letters: int

    def __str__(self) -> str:
        return f"{self.letters} × {self.rule} {self.stage}/{self.code}"


@dataclass(frozen=True, slots=True)
class Letters:
    """Reads dead letters, and writes them within a transaction of the ledger."""

    rows: Rows
    masks: bool = False
    """True if letters are kept without values."""

    def open(self) -> list[DeadLetter]:
        """Dead letters that no newer accepted record has closed, oldest first."""
        with self.rows.engine.connect() as connection:
            return self._read(connection)

    def reasons(self) -> list[Reason]:
        """Why letters are open that this run wrote, the most frequent reason first."""
        letters = func.count().label("letters")
        columns = (DEAD_LETTER.c.rule, DEAD_LETTER.c.stage, DEAD_LETTER.c.code)
        query = (
            select(*columns, letters)
            .where(
                *self.rows.where(DEAD_LETTER),
                DEAD_LETTER.c.closed_at.is_(None),
                DEAD_LETTER.c.run_id == self.rows.scope.run_id,
            )
            .group_by(*columns)
            .order_by(letters.desc(), *columns)
        )
        with self.rows.engine.connect() as connection:
            return [Reason(*row) for row in connection.execute(query)]

    def open_keys(self, rule: str, source_keys: Iterable[str]) -> set[str]:
        """The source keys, of those given, that have an open dead letter of this rule."""
        return set(self.of_sources(rule, source_keys))

    def of(self, rule: str) -> list[DeadLetter]:
        """The open dead letters of a rule, oldest first."""
        with self.rows.engine.connect() as connection:
            return self._read(connection, DEAD_LETTER.c.rule == rule)

    def any_of(self, rule: str, codes: Iterable[str]) -> bool:
        """Returns True if a letter of a rule is open with one of these codes."""
        query = select(DEAD_LETTER.c.key).where(
            *self.rows.where(DEAD_LETTER),
            DEAD_LETTER.c.closed_at.is_(None),
            DEAD_LETTER.c.rule == rule,
            DEAD_LETTER.c.code.in_(sorted(codes)),
        )
        with self.rows.engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def of_sources(self, rule: str, source_keys: Iterable[str]) -> dict[str, DeadLetter]:
        """The open dead letters of a rule by source key, of those given."""
        letters: dict[str, DeadLetter] = {}
        with self.rows.engine.connect() as connection:
            for keys in parts(source_keys):
                found = self._read(
                    connection, DEAD_LETTER.c.rule == rule, DEAD_LETTER.c.key.in_(keys)
                )
                letters |= {letter.key: letter for letter in found}
        return letters

    def _read(self, connection: Connection, *conditions: Any) -> list[DeadLetter]:
        query = (
            select(DEAD_LETTER)
            .where(*self.rows.where(DEAD_LETTER), DEAD_LETTER.c.closed_at.is_(None), *conditions)
            .order_by(DEAD_LETTER.c.first_at, DEAD_LETTER.c.rule, DEAD_LETTER.c.key)
        )
        return [
            DeadLetter(
                row.rule, row.key, row.stream, row.object, row.stage, row.code, row.message,
                row.hint, row.record, row.observed_us, row.times, row.first_at, row.last_at,
                row.run_id, Version.unpacked(row.earlier), row.to_object, row.rule_hash,
                row.schema_hash, tuple(row.properties),
            )
            for row in connection.execute(query)
        ]  # fmt: skip

    def write(self, connection: Connection, letters: Sequence[DeadLetter]) -> None:
        """Open letters; one that exists is opened again and its `times` go up.

        An open letter of a newer version stays what it is, and takes up what this version says.
        """
        now = self.rows.now()
        for new in letters:
            known = self._read(
                connection, DEAD_LETTER.c.rule == new.rule, DEAD_LETTER.c.key == new.key
            )
            letter = new.joined(known[0]) if known else new
            if self.masks:
                letter = letter.masked(known[0].properties if known else ())
            columns = {
                "stream": letter.stream, "object": letter.object, "stage": letter.stage,
                "code": letter.code, "message": letter.message, "hint": letter.hint,
                "record": dict(letter.record), "observed_us": letter.observed_us,
                "earlier": [version.packed() for version in letter.earlier],
                "properties": list(letter.properties),
                "to_object": letter.to_object, "rule_hash": letter.rule_hash,
                "schema_hash": letter.schema_hash,
                "last_at": now, "run_id": self.rows.scope.run_id, "closed_at": None,
            }  # fmt: skip
            key = self.rows.owned(rule=letter.rule, key=letter.key)
            insert = self.rows.insert(DEAD_LETTER).values(**key, **columns, times=1, first_at=now)
            again = {**columns, "times": DEAD_LETTER.c.times + 1}
            connection.execute(
                insert.on_conflict_do_update(index_elements=key_columns(DEAD_LETTER), set_=again)
            )

    def close(self, connection: Connection, closed: Sequence[tuple[str, str]]) -> None:
        """Close the letters of these rules and source keys."""
        for rule, key in closed:
            query = update(DEAD_LETTER).where(
                *self.rows.where(DEAD_LETTER),
                DEAD_LETTER.c.rule == rule,
                DEAD_LETTER.c.key == key,
                DEAD_LETTER.c.closed_at.is_(None),
            )
            connection.execute(query.values(closed_at=self.rows.now()))
