"""CSV files: a header row, RFC 4180, nested values as JSON text."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

from tap_canai.decoders.depth import DEEPEST, Depth, too_deep
from tap_canai.decoders.reader import (
    BUFFER_BYTES,
    LONGEST_NAME,
    MAX_RECORD_BYTES,
    Readable,
)
from tap_canai.decoders.surrogates import Surrogates, report_halves
from tap_canai.errors import TRY_AGAIN, ExportBrokenError
from tap_canai.normal_form import types_of


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Generator[dict[str, Any], None, None]:
    """The rows of a file. Raises: ExportBrokenError."""
    csv.field_size_limit(MAX_RECORD_BYTES)
    text = io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, source), BUFFER_BYTES),
        encoding="utf-8-sig",
        newline="",
    )
    properties = schema.get("properties", {})
    nested = {name for name, inner in properties.items() if types_of(inner) & {"array", "object"}}
    surrogates = Surrogates()
    try:
        for header, row in rows(text):
            yield {
                name: nested_value(cell, surrogates) if cell and name in nested else cell
                for name, cell in zip(header, row, strict=True)
            }
    except (csv.Error, ValueError, ArithmeticError) as error:
        raise ExportBrokenError(
            f"The CSV file is not valid by RFC 4180 ({type(error).__name__}).", TRY_AGAIN
        ) from None
    finally:
        text.detach().detach()  # or the wrappers would close the source
    report_halves(surrogates.halves)


def rows(text: io.TextIOWrapper) -> Iterator[tuple[list[str], list[str]]]:
    """The header and each row, of the same length. Raises: ExportBrokenError, csv.Error."""
    guard = RowGuard(lines(text))
    reader = csv.reader(guard, strict=True)
    header = next(reader, None)
    if not header:
        raise ExportBrokenError("The CSV file has no header row.", TRY_AGAIN)
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise ExportBrokenError(
            f"The header of the CSV file names {twice[0][:LONGEST_NAME]} twice.", TRY_AGAIN
        )
    for row in reader:
        guard.length = 0
        if len(row) != len(header):
            raise ExportBrokenError(
                f"A row of the CSV file has {len(row)} cells, the header {len(header)}.", TRY_AGAIN
            )
        yield header, row


def nested_value(cell: str, surrogates: Surrogates) -> Any:
    """A list or an object that is written as JSON. Raises: ExportBrokenError, ValueError."""
    opened = cell.count("[") + cell.count("{")  # the least work for the many cells with a few
    if opened > DEEPEST and not Depth().passes(cell.encode()):
        raise too_deep("CSV")
    if "\\u" in cell:
        cell = surrogates.replaced(cell.encode(), last=True).decode()
    return json.loads(cell, parse_float=Decimal, parse_constant=no_number)


def no_number(word: str) -> None:
    """Raises: ValueError, for the NaN and Infinity that Python's reader would let pass."""
    raise ValueError("not a number")


class RowGuard:
    """Refuses a row that goes on for too many lines; the caller sets `length` back after each."""

    def __init__(self, text: Iterator[str]) -> None:
        self._lines = text
        self.length = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.length += len(line)
        if self.length > MAX_RECORD_BYTES:
            raise ExportBrokenError(
                f"A row of the CSV file has more than {MAX_RECORD_BYTES} characters.", TRY_AGAIN
            )
        return line


def lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines as they are, each of bounded length. Raises: ExportBrokenError."""
    while line := text.readline(MAX_RECORD_BYTES + 1):
        if len(line) > MAX_RECORD_BYTES:
            raise ExportBrokenError(
                f"A line of the CSV file has more than {MAX_RECORD_BYTES} characters.", TRY_AGAIN
            )
        if "\0" in line:
            raise ExportBrokenError("The CSV file contains a NUL character.", TRY_AGAIN)
        yield line
