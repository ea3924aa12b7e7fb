"""Which dead letters a command is about, and what the ledger says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, func, select

from reverse_etl.ledger.tables import DEAD_LETTER

SUMMARY_COLUMNS = (
    "account", "rule", "key", "stream", "object", "stage", "code", "message", "hint", "times",
    "first_at", "last_at",
)  # fmt: skip
RECORD_COLUMNS = ("properties", "record")
"""What holds the record: names of the properties of a masked letter, or the values."""
REASON_COLUMNS = ("account", "stream", "object", "rule", "stage", "code", "hint")
"""What letters have in common that were opened for one reason."""
ROWS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class LetterChoice:
    """Which open dead letters are meant: those with one of the values given of each column."""

    object: Collection[str] = ()
    stream: Collection[str] = ()
    code: Collection[str] = ()
    key: Collection[str] = ()

    @property
    def is_all(self) -> bool:
        """True if no letter is left out."""
        return not self.words()

    def words(self) -> dict[str, list[str]]:
        """The columns that are restricted, and their values."""
        given = {each.name: sorted(getattr(self, each.name)) for each in fields(self)}
        return {name: values for name, values in given.items() if values}

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a query for these letters asks, beside CRM and account."""
        columns = [DEAD_LETTER.c[name].in_(values) for name, values in self.words().items()]
        return [DEAD_LETTER.c.closed_at.is_(None), *columns]

    def has(self, letter: Any) -> bool:
        """Returns True if an open letter is meant."""
        return all(getattr(letter, name) in values for name, values in self.words().items())


@dataclass(frozen=True, slots=True)
class LetterSearch:
    """Reads the open dead letters of every account of one CRM, without asking the CRM."""

    engine: Engine
    crm: str
    choice: LetterChoice = LetterChoice()

    def reasons(self) -> list[dict[str, Any]]:
        """Why letters are open, with the number of `letters`, the most frequent reason first."""
        columns = [DEAD_LETTER.c[name] for name in REASON_COLUMNS]
        letters = func.count().label("letters")
        query = self._restricted(select(*columns, letters)).group_by(*columns)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(letters.desc(), *columns)).mappings()
            return [dict(row) for row in rows]

    def of_reason(self, reason: dict[str, Any], limit: int) -> list[dict[str, Any]]:
        """The oldest letters of a reason without their records; a limit of 0 means all."""
        same = [DEAD_LETTER.c[name] == reason[name] for name in REASON_COLUMNS]
        query = self._query(SUMMARY_COLUMNS).where(*same).limit(limit or None)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def letters(self) -> Iterator[dict[str, Any]]:
        """The letters with their records, oldest first, read a few at a time."""
        query = self._query((*SUMMARY_COLUMNS, *RECORD_COLUMNS))
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query)
            for row in rows.mappings():
                yield dict(row)

    def _query(self, names: Collection[str]) -> Select[Any]:
        order = (DEAD_LETTER.c[name] for name in ("first_at", "account", "rule", "key"))
        return self._restricted(select(*(DEAD_LETTER.c[name] for name in names))).order_by(*order)

    def _restricted(self, query: Select[Any]) -> Select[Any]:
        return query.where(DEAD_LETTER.c.crm == self.crm, *self.choice.conditions())
