"""CSV as Salesforce reads and writes it."""

from __future__ import annotations

import csv
import io
from typing import Any

from sandbox.http import Reply

DELIMITERS = {
    "COMMA": ",",
    "TAB": "\t",
    "SEMICOLON": ";",
    "PIPE": "|",
    "CARET": "^",
    "BACKQUOTE": "`",
}


def read_table(
    content: bytes, delimiter: str, ending: str
) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of an upload."""
    text = io.StringIO(content.decode("utf-8"), newline="\r\n" if ending == "CRLF" else "\n")
    lines = csv.reader(text, delimiter=DELIMITERS[delimiter])
    columns = next(lines, [])
    return columns, [dict(zip(columns, line, strict=False)) for line in lines if line]


def table_reply(columns: list[str], lines: list[dict[str, str]]) -> Reply:
    """CSV with every cell quoted."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    headers = {"Content-Type": "text/csv; charset=UTF-8"}
    return Reply(200, text.getvalue().encode(), headers, rows=len(lines))


def cells(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a query's row."""
    return {name: cell(value) for name, value in row.items() if name != "attributes"}


def cell(value: Any) -> str:
    """A value as a cell; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
