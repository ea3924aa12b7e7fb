"""Export files: JSON, CSV and XML, whole or in chunks that are each a complete file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

Content = dict[str, list[dict[str, Any]]]
"""Rows by record set."""

MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xml": "application/xml",
}
RECORD_ELEMENTS = {
    "users": "user",
    "deliverables": "deliverable",
    "payments": "payment",
    "feedback": "feedback_item",
    "sessions": "session",
    "analytics": "day",
}
QUOTED = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
"""Characters that an XML attribute would lose."""


def chunks(
    content: Content, file_format: str, names: dict[str, list[str]], chunk_bytes: int
) -> Iterator[tuple[bytes, int]]:
    """Files of about this size, with the number of records in each."""
    part: Content = {name: [] for name in content}
    size = count = 0
    for name, rows in content.items():
        for row in rows:
            part[name].append(row)
            size += len(json.dumps(row))
            count += 1
            if size >= chunk_bytes:
                yield write(part, file_format, names, None), count
                part, size, count = {other: [] for other in content}, 0, 0
    if count:
        yield write(part, file_format, names, None), count


def write(
    content: Content,
    file_format: str,
    names: dict[str, list[str]],
    metadata: dict[str, Any] | None,
) -> bytes:
    """One complete file."""
    match file_format:
        case "csv":
            name, rows = next(iter(content.items()))
            return csv_file(rows, names[name])
        case "xml":
            return xml_file(content, metadata)
    return json.dumps({**content, **({"metadata": metadata} if metadata else {})}).encode()


def csv_file(rows: list[dict[str, Any]], columns: list[str]) -> bytes:
    """Header row, RFC 4180, nested values as JSON text, null as nothing."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: csv_cell(value) for name, value in row.items()})
    return out.getvalue().encode()


def csv_cell(value: Any) -> Any:
    """A value as the CSV writer wants it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def xml_file(content: Content, metadata: dict[str, Any] | None) -> bytes:
    """One element per property, lists as `item`, maps as `entry key`, null as nil."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?><export>']
    for name, rows in content.items():
        parts.append(f"<{name}>")
        for row in rows:
            fields = "".join(xml_element(key, value) for key, value in row.items())
            parts.append(f"<{RECORD_ELEMENTS[name]}>{fields}</{RECORD_ELEMENTS[name]}>")
        parts.append(f"</{name}>")
    if metadata:
        parts.append(xml_element("metadata", metadata))
    return "".join([*parts, "</export>"]).encode()


def xml_element(tag: str, value: Any, attributes: str = "") -> str:
    """An element with its value."""
    if value is None:
        return f'<{tag}{attributes} nil="true"/>'
    return f"<{tag}{attributes}>{xml_content(value)}</{tag}>"


def xml_content(value: Any) -> str:
    """What an element holds."""
    match value:
        case list():
            return "".join(xml_element("item", entry) for entry in value)
        case dict():
            return "".join(
                xml_element("entry", entry, f" key={quoteattr(str(key), QUOTED)}")
                for key, entry in value.items()
            )
        case bool():
            return str(value).lower()
        case float():
            return json.dumps(value)
    return escape(str(value), {"\r": "&#13;"})
