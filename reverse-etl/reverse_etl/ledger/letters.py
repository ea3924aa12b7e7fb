"""The dead letters of one account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from reverse_etl.ledger.entries import DeadLetter
from reverse_etl.ledger.letter_search import LetterChoice
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.run_values import RunValues, Values
from reverse_etl.ledger.tables import DEAD_LETTER, key_columns
from reverse_etl.ledger.versions import Version

FIRST_AT = "first_at"
"""What a letter keeps, beside its key, when it is opened again."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some dead letters are open."""

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
    values: RunValues | None = None
    """The values of this run's letters if the ledger keeps none."""

    def open(self) -> list[DeadLetter]:
        """Dead letters that no newer accepted record has closed, oldest first."""
        with self.rows.engine.connect() as connection:
            return self._read(connection)

    def chosen(self, choice: LetterChoice) -> list[DeadLetter]:
        """The open dead letters that a command is about, oldest first."""
        with self.rows.engine.connect() as connection:
            return self._read(connection, *choice.conditions())

    def reasons(self) -> list[Reason]:
        """Why letters are open that this run wrote, the most frequent reason first."""
        with self.rows.engine.connect() as connection:
            return self._reasons(
                connection,
                DEAD_LETTER.c.closed_at.is_(None),
                DEAD_LETTER.c.run_id == self.rows.scope.run_id,
            )

    def chosen_reasons(self, connection: Connection, choice: LetterChoice) -> list[Reason]:
        """Why letters are open that a command is about, the most frequent reason first."""
        return self._reasons(connection, *choice.conditions())

    def _reasons(self, connection: Connection, *conditions: Any) -> list[Reason]:
        letters = func.count().label("letters")
        columns = (DEAD_LETTER.c.rule, DEAD_LETTER.c.stage, DEAD_LETTER.c.code)
        query = (
            select(*columns, letters)
            .where(*self.rows.where(DEAD_LETTER), *conditions)
            .group_by(*columns)
            .order_by(letters.desc(), *columns)
        )
        return [Reason(*row) for row in connection.execute(query)]

    def open_keys(self, rule: str, source_keys: Iterable[str]) -> set[str]:
        """The source keys, of those given, that have an open dead letter of this rule."""
        return set(self.of_sources(rule, source_keys))

    def of(self, rule: str) -> list[DeadLetter]:
        """The open dead letters of a rule, oldest first."""
        with self.rows.engine.connect() as connection:
            return self._read(connection, DEAD_LETTER.c.rule == rule)

    def any(self, rule: str) -> bool:
        """Returns True if a letter of a rule is open."""
        return self._any(DEAD_LETTER.c.rule == rule)

    def any_of(self, rule: str, codes: Iterable[str]) -> bool:
        """Returns True if a letter of a rule is open with one of these codes."""
        return self._any(DEAD_LETTER.c.rule == rule, DEAD_LETTER.c.code.in_(sorted(codes)))

    def _any(self, *conditions: Any) -> bool:
        query = select(DEAD_LETTER.c.key).where(
            *self.rows.where(DEAD_LETTER), DEAD_LETTER.c.closed_at.is_(None), *conditions
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
        return [self._letter(row) for row in connection.execute(query)]

    def _letter(self, row: Any) -> DeadLetter:
        """The letter of a row."""
        values = Values(row.record, Version.unpacked(row.earlier))
        if self.values is not None and not row.record:
            values = self.values.of((row.rule, row.key), row.observed_us)
        return DeadLetter(
            row.rule, row.key, row.stream, row.object, row.stage, row.code, row.message,
            row.hint, values.record or {}, row.observed_us, row.times, row.first_at, row.last_at,
            row.run_id, values.earlier, row.to_object, row.rule_hash, row.schema_hash,
            tuple(row.properties),
        )  # fmt: skip

    def write(self, connection: Connection, letters: Sequence[DeadLetter]) -> None:
        """Open letters; one that exists is opened again and its `times` go up.

        An open letter of a newer version stays what it is, and takes up what this version says.
        """
        if not letters:
            return
        now = self.rows.now()
        known = self._known(connection, letters)
        rows: list[dict[str, Any]] = []
        for new in letters:
            key = (new.rule, new.key)
            before = known.get(key)
            letter = new if before is None else new.joined(before)
            known[key] = letter
            if self.values is not None:
                values = Values(letter.record, letter.earlier)
                self.values.keep(key, letter.observed_us, values)
                letter = letter.masked(before.properties if before is not None else ())
            rows.append(self._row(letter, now))
        insert, same = self.rows.insert(DEAD_LETTER), key_columns(DEAD_LETTER)
        again = {name: insert.excluded[name] for name in rows[0] if name not in (*same, FIRST_AT)}
        again["times"] = DEAD_LETTER.c.times + 1
        connection.execute(insert.on_conflict_do_update(index_elements=same, set_=again), rows)

    def _known(
        self, connection: Connection, letters: Sequence[DeadLetter]
    ) -> dict[tuple[str, str], DeadLetter]:
        """The open letters of the same rules and source keys."""
        known: dict[tuple[str, str], DeadLetter] = {}
        for rule in {letter.rule for letter in letters}:
            for keys in parts(letter.key for letter in letters if letter.rule == rule):
                found = self._read(
                    connection, DEAD_LETTER.c.rule == rule, DEAD_LETTER.c.key.in_(keys)
                )
                known |= {(rule, letter.key): letter for letter in found}
        return known

    def _row(self, letter: DeadLetter, now: str) -> dict[str, Any]:
        """The columns of a letter that is opened now."""
        return self.rows.owned(
            rule=letter.rule, key=letter.key, stream=letter.stream, object=letter.object,
            stage=letter.stage, code=letter.code, message=letter.message, hint=letter.hint,
            record=dict(letter.record), observed_us=letter.observed_us,
            earlier=[version.packed() for version in letter.earlier],
            properties=list(letter.properties),
            to_object=letter.to_object, rule_hash=letter.rule_hash,
            schema_hash=letter.schema_hash, last_at=now, run_id=self.rows.scope.run_id,
            closed_at=None, times=1, first_at=now,
        )  # fmt: skip

    def close(self, connection: Connection, closed: Sequence[tuple[str, str]]) -> None:
        """Close the letters of these rules and source keys."""
        for rule, key in closed:
            if self.values is not None:
                self.values.drop((rule, key))
            query = update(DEAD_LETTER).where(
                *self.rows.where(DEAD_LETTER),
                DEAD_LETTER.c.rule == rule,
                DEAD_LETTER.c.key == key,
                DEAD_LETTER.c.closed_at.is_(None),
            )
            connection.execute(query.values(closed_at=self.rows.now()))

    def close_chosen(self, connection: Connection, choice: LetterChoice) -> list[Reason]:
        """Close the letters that a command is about; returns why they were open."""
        reasons = self.chosen_reasons(connection, choice)
        mine = (*self.rows.where(DEAD_LETTER), *choice.conditions())
        connection.execute(update(DEAD_LETTER).where(*mine).values(closed_at=self.rows.now()))
        return reasons
