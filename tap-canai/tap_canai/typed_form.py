"""The typed form of a stream's records: a struct made from its schema, which reads many at once.

What does not fit raises: another type, an unknown property, a number that a float cannot hold, a
key that is missing. The caller then reads the same bytes record by record, which says what is
wrong and where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec

from tap_canai.columns import Column, InexactError, column
from tap_canai.decoders.json_text import JsonText
from tap_canai.errors import FatalError

Records = Sequence[msgspec.Struct]
Group = tuple[type[Column], list[str], Callable[[Any], tuple[Any, ...]]]
"""Columns of a kind: their names, and what takes their values from a record."""
Scalar = bool | int | float | str | None
UNREADABLE = "\ufffd"
"""What stands for text that was not valid Unicode; two keys could become one by it."""
UNNAMEABLE = re.compile(r'[\\"\x00-\x1f]')
"""What msgspec does not take in the name of a field."""
MOST_DROPPED = 50
"""Properties unknown to the schema that a typed form may drop."""


class UnfitError(Exception):
    """Records that do not fit the typed form."""


class TypedForm:
    """Reads and writes records of these columns; `dropped` are properties that are left out."""

    def __init__(
        self, columns: Mapping[str, Column], keys: Iterable[str], dropped: Iterable[str]
    ) -> None:
        self.columns = columns
        self.names = frozenset((*columns, *dropped))
        self._fields = {name: f"f{number}" for number, name in enumerate(columns)}
        # Records with another name than a struct takes do not fit, and go the general way.
        named = sorted(name for name in dropped if not UNNAMEABLE.search(name))
        self._extras = {name: f"x{number}" for number, name in enumerate(named)}
        self._struct = self._made({name: kind.strict_type for name, kind in columns.items()})
        loose = self._made({name: kind.loose_type for name, kind in columns.items()})
        rows: Any = list[self._struct]  # type: ignore[name-defined]
        self._strict_decoder = msgspec.json.Decoder(rows)
        self._loose_decoder = msgspec.json.Decoder(list[loose])  # type: ignore[valid-type]
        self._groups = [*self._grouped()]
        self._keys = [attrgetter(self._fields[name]) for name in keys]

    def _made(self, types: Mapping[str, Any]) -> type[msgspec.Struct]:
        """A struct with fields of these types; their names there may be no identifiers."""
        return msgspec.defstruct(
            "Record",
            [(self._fields[name], kind, None) for name, kind in types.items()]
            + [(field, Scalar, msgspec.UNSET) for field in self._extras.values()],
            rename={field: name for name, field in (self._fields | self._extras).items()},
            forbid_unknown_fields=True,
            gc=False,  # records hold no circles, and a block has thousands of them
        )

    def _grouped(self) -> Iterator[Group]:
        """The columns by their kind."""
        for kind in {type(each): None for each in self.columns.values()}:
            names = [name for name, each in self.columns.items() if type(each) is kind]
            yield kind, names, values_getter([self._fields[name] for name in names])

    def decoded(self, array: bytes) -> Records:
        """The records of a JSON array in normal form.

        Raises: UnfitError, msgspec.DecodeError, UnicodeDecodeError.
        """
        strict = True
        try:
            records: list[msgspec.Struct] = self._strict_decoder.decode(array)
        except msgspec.ValidationError:
            records = self._loose_decoder.decode(array)
            strict = False
        text = JsonText(array)
        if not text.is_exact:
            raise UnfitError
        try:
            self._make_normal(records, text, strict=strict)
        except (FatalError, InexactError):
            raise UnfitError from None
        self._check_keys(records)
        return records

    def _make_normal(self, records: Records, text: JsonText, *, strict: bool) -> None:
        """Bring decoded values into their normal form. Raises: SchemaDriftError, InexactError."""
        for kind, names, values_of in self._groups:
            if strict and not kind.always_odd:
                continue
            rows = [*map(values_of, records)]
            for place in kind.odd(rows, text):
                for name, value in zip(names, rows[place], strict=True):
                    setattr(records[place], self._fields[name], self.columns[name].normal(value))
        for field in self._extras.values():
            for record in records:
                setattr(record, field, msgspec.UNSET)

    def read(self, cells: Mapping[str, Sequence[Any]], count: int) -> Records:
        """The records of a number of rows that have these cells, by property.

        Raises: UnfitError.
        """
        try:
            values = [
                kind.read(cells[name]) if name in cells else repeat(None, count)
                for name, kind in self.columns.items()
            ]
        except (FatalError, ValueError, ArithmeticError):
            raise UnfitError from None
        records = [*map(self._struct, *values)]
        self._check_keys(records)
        return records

    def _check_keys(self, records: Records) -> None:
        """Raises: UnfitError for a record that has no identity."""
        for key_of in self._keys:
            keys = [*map(key_of, records)]
            if None in keys or UNREADABLE in "".join(map(str, keys)):
                raise UnfitError


def values_getter(fields: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What returns the values of these attributes."""
    if len(fields) > 1:
        return attrgetter(*fields)
    only = attrgetter(*fields)
    return lambda record: (only(record),)


def typed_form(
    stream: str,
    schema: Mapping[str, Any],
    names: Iterable[str],
    keys: Iterable[str],
    dropped: frozenset[str],
) -> TypedForm | None:
    """The typed form of these properties; None if the schema has one that is not typed."""
    columns: dict[str, Column] = {}
    for name in names:
        found = column(schema["properties"][name], f"{stream}.{name}")
        if found is None:
            return None
        columns[name] = found
    return None if len(dropped) > MOST_DROPPED else TypedForm(columns, keys, dropped)
