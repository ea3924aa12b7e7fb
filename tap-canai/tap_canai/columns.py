"""The values of a property in many records, brought into their normal form at once.

What a value becomes is defined in `normal_form` alone. A column finds out which values are in that
form already, and calls `normal` for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Annotated, Any

import msgspec

from tap_canai.decoders.csv import nested_value
from tap_canai.decoders.json_text import JsonText
from tap_canai.decoders.surrogates import Surrogates
from tap_canai.normal_form import normal, types_of

Values = Sequence[Any]
Rows = Sequence[tuple[Any, ...]]
Number = int | float | None
NotEmpty = Annotated[str, msgspec.Meta(min_length=1)]
MOST_REMEMBERED = 1000
"""Texts of a column whose values are remembered."""
LONGEST_REMEMBERED = 200
"""Characters of a text that is remembered."""
MANY_DIGITS = 18
TINIEST = 1e-99
"""What is nearer to zero may have been another number in the text."""
ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
MOMENT = b"0000-00-00T00:00:00.000000Z"
"""The shape of a timestamp in its normal form."""
HOUR_24 = "T24:"
"""Midnight at the end of a day: newer versions of Python read it as the next day's."""


class InexactError(Exception):
    """A float that may not be the number of the text."""


class Remembered(dict[Any, Any]):
    """Values by their texts: the same text is read once."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__({None: None, "": None})
        self._read = read

    def __missing__(self, text: str) -> Any:
        value = self._read(text)
        if len(self) < MOST_REMEMBERED and len(text) <= LONGEST_REMEMBERED:
            self[text] = value
        return value


class Column:
    """A property that is true or false, and what all columns share."""

    strict_type: Any = bool | None
    """The type as which JSON is decoded first."""
    loose_type: Any = bool | None
    """The type as which JSON is decoded if a value of the block is not of the strict type."""
    always_odd = False
    """True if a value of the strict type may not be in its normal form."""
    nested = False
    """True for lists and objects."""

    def __init__(self, schema: Mapping[str, Any], place: str) -> None:
        self.normal: Callable[[Any], Any] = partial(normal, schema=schema, place=place)
        """The normal form of a value. Raises: SchemaDriftError."""
        self.remembered = Remembered(self.of_text)

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """Which rows of decoded JSON may hold a value that is not in its normal form.

        A row has the values of all columns of this kind.

        Raises: InexactError.
        """
        return ()

    def of_text(self, text: str) -> Any:
        """The value of a cell that is not empty. Raises: SchemaDriftError."""
        return self.normal(text)

    def read(self, cells: Values) -> Values:
        """Values of the cells of a CSV or an XML file.

        Raises: SchemaDriftError, ExportBrokenError, ValueError, ArithmeticError.
        """
        return [*map(self.remembered.__getitem__, cells)]


class TextColumn(Column):
    """A property that is text."""

    strict_type = NotEmpty | None
    loose_type = str | None

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """Rows with an empty text."""
        return [place for place, row in enumerate(rows) if "" in row]

    def read(self, cells: Values) -> Values:
        """The texts; empty ones are null."""
        return [cell or None for cell in cells]


class MomentColumn(TextColumn):
    """A property that is a timestamp."""

    always_odd = True

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """All rows, or none."""
        texts = [*chain.from_iterable(rows)]
        is_normal = are_moments([*filter(None, texts)]) and "" not in texts
        return () if is_normal else range(len(rows))

    def read(self, cells: Values) -> Values:
        """The timestamps, of which usually all are in their normal form."""
        if are_moments([*filter(None, cells)]):
            return super().read(cells)
        return [*map(self.normal, cells)]


class IntegerColumn(Column):
    """A property that is a whole number."""

    strict_type = int | None
    loose_type = Number

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """Rows with a float; tiny ones may have been another number."""
        places = [place for place, row in enumerate(rows) if float in map(type, row)]
        return exact(places, rows, text)

    def of_text(self, text: str) -> Any:
        """The value of a cell; digits without a leading zero need no second look."""
        if text.isascii() and text.isdecimal() and text[0] != "0" and len(text) < MANY_DIGITS:
            return int(text)
        return self.normal(text)


class NumberColumn(IntegerColumn):
    """A property that is a number."""

    strict_type = Number
    always_odd = True

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """Rows with a whole float, since `5.0` is 5; tiny ones may have been another number."""
        places = [
            place
            for place, row in enumerate(rows)
            for value in row
            if value.__class__ is float and (value.is_integer() or -TINIEST < value < TINIEST)
        ]
        return exact(places, rows, text)

    def of_text(self, text: str) -> Any:
        """The value of a cell; a fraction in its shortest form needs no second look."""
        if "." in text and "e" not in text:
            value = float(text)
            if repr(value) == text and not value.is_integer():
                return value
        return super().of_text(text)


class NestedColumn(Column):
    """A property that is a list or an object; in a CSV file it is JSON text."""

    nested = True

    def of_text(self, text: str) -> Any:
        """The value of a cell of a CSV file. Raises: SchemaDriftError, ExportBrokenError."""
        surrogates = Surrogates()
        value = self.normal(nested_value(text, surrogates))
        if surrogates.halves:
            raise ValueError("halves of characters are counted record by record")
        msgspec.json.encode(value)  # JSON text may hold what cannot be written
        return value

    def read(self, cells: Values) -> Values:
        """Values of JSON texts, or of what the elements of an XML file hold."""
        return [
            self.remembered[cell] if cell is None or cell.__class__ is str else self.normal(cell)
            for cell in cells
        ]


class TextsColumn(NestedColumn):
    """A property that is a list of texts."""

    strict_type = list[NotEmpty] | None
    loose_type = list[str | None] | None

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """All rows: any text may be empty."""
        return range(len(rows))

    def read(self, cells: Values) -> Values:
        """Lists of JSON texts, or of what the elements of an XML file hold."""
        return [
            [text or None for text in cell] if cell.__class__ is list else self.remembered[cell]
            for cell in cells
        ]


class NumbersColumn(NestedColumn):
    """A property that is an object of numbers."""

    strict_type = dict[str, Number] | None
    loose_type = strict_type
    always_odd = True

    @classmethod
    def odd(cls, rows: Rows, text: JsonText) -> Iterable[int]:
        """All rows: any number may be a whole float."""
        if text.has_tiny:
            raise InexactError
        return range(len(rows))


def exact(places: list[int], rows: Rows, text: JsonText) -> list[int]:
    """The places. Raises: InexactError if a float of these rows may not be what the text says."""
    floats = [value for place in places for value in rows[place] if value.__class__ is float]
    if any(-TINIEST < value < TINIEST for value in floats) and text.has_tiny:
        raise InexactError
    return places


def are_moments(texts: Values) -> bool:
    """Returns True if every text has the shape of a timestamp in its normal form.

    Such a text stays as it is: it is in UTC, or it is not a timestamp at all (February 30).
    """
    joined = "".join(texts)
    shape = joined.encode("utf-8", "replace").translate(ZEROS)
    return shape == MOMENT * len(texts) and HOUR_24 not in joined


def column(schema: Mapping[str, Any], place: str) -> Column | None:
    """The column of a property; None for a property that is read record by record."""
    kind = kind_of(schema)
    return None if kind is None else kind(schema, place)


def kind_of(schema: Mapping[str, Any]) -> type[Column] | None:
    """What a property is by its schema; None if it may be several things, or anything."""
    match sorted(types_of(schema) - {"null"}):
        case ["string"]:
            return MomentColumn if schema.get("format") == "date-time" else TextColumn
        case ["boolean"]:
            return Column
        case ["number"]:
            return NumberColumn
        case ["integer"]:
            return IntegerColumn
        case ["array"]:
            return TextsColumn if kind_of(schema.get("items", {})) is TextColumn else None
        case ["object"] if not schema.get("properties"):
            inner = schema.get("additionalProperties")
            numbers = isinstance(inner, Mapping) and kind_of(inner) in (NumberColumn, IntegerColumn)
            return NumbersColumn if numbers else None
    return None
