"""CSV files: a header row, RFC 4180, nested values as JSON text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from tap_canai.decoders.reader import BUFFER_BYTES, MAX_RECORD_BYTES, Readable
from tap_canai.errors import ExportBroken
from tap_canai.normalising import types_of

AGAIN = "Run again; if it stays, tell CanAI's support."


def lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines as they are, each of bounded length. Raises: ExportBroken."""
    while line := text.readline(MAX_RECORD_BYTES + 1):
        if len(line) > MAX_RECORD_BYTES:
            raise ExportBroken(
                f"A line of the CSV file has more than {MAX_RECORD_BYTES} characters.", AGAIN
            )
        if "\0" in line:
            raise ExportBroken("The CSV file holds a NUL character.", AGAIN)
        yield line


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The rows of a file. Raises: ExportBroken."""
    csv.field_size_limit(MAX_RECORD_BYTES)
    text = io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, source), BUFFER_BYTES),
        encoding="utf-8-sig",
        newline="",
    )
    properties = schema.get("properties", {})
    nested = {name for name, one in properties.items() if types_of(one) & {"array", "object"}}
    try:
        rows = csv.reader(lines(text), strict=True)
        header = next(rows, None)
        if not header:
            raise ExportBroken("The CSV file has no header row.", AGAIN)
        for row in rows:
            if len(row) != len(header):
                raise ExportBroken(
                    f"A row of the CSV file has {len(row)} cells, the header {len(header)}.", AGAIN
                )
            yield {
                name: json.loads(cell) if cell and name in nested else cell
                for name, cell in zip(header, row, strict=True)
            }
    except (csv.Error, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ExportBroken(
            f"The CSV file is not as RFC 4180 has it ({type(error).__name__}).", AGAIN
        ) from None
    finally:
        text.detach().detach()
