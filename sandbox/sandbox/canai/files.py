"""Export files: JSON, CSV and XML, whole or in chunks that are each a complete file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

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


def chunks(
    content: dict[str, list[dict[str, Any]]],
    file_format: str,
    names: dict[str, list[str]],
    chunk_bytes: int,
) -> Iterator[tuple[bytes, int]]:
    """Files of about this size, with the number of records in each."""
    part: dict[str, list[dict[str, Any]]] = {name: [] for name in content}
    size = count = 0
    for name, rows in content.items():
        for row in rows:
            part[name].append(row)
            size += len(json.dumps(row))
            count += 1
            if size >= chunk_bytes:
                yield write(part, file_format, names, None), count
                part, size, count = {one: [] for one in content}, 0, 0
    if count:
        yield write(part, file_format, names, None), count


def write(
    content: dict[str, list[dict[str, Any]]],
    file_format: str,
    names: dict[str, list[str]],
    metadata: dict[str, Any] | None,
) -> bytes:
    """One complete file."""
    if file_format == "json":
        return json.dumps({**content, **({"metadata": metadata} if metadata else {})}).encode()
    if file_format == "csv":
        return csv_file(*next(iter(content.items())), names)
    return xml_file(content, metadata)


def csv_file(name: str, rows: list[dict[str, Any]], names: dict[str, list[str]]) -> bytes:
    """Header row, RFC 4180, nested values as JSON text, null as nothing."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names[name], extrasaction="ignore")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue().encode()


def csv_cell(value: Any) -> Any:
    """A cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def xml_file(content: dict[str, list[dict[str, Any]]], metadata: dict[str, Any] | None) -> bytes:
    """One element a property, lists as `item`, maps as `entry key`, null as nil."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?><export>']
    for name, rows in content.items():
        element = RECORD_ELEMENTS[name]
        parts.append(f"<{name}>")
        for row in rows:
            parts.append(
                f"<{element}>{''.join(xml_element(key, value) for key, value in row.items())}</{element}>"
            )
        parts.append(f"</{name}>")
    if metadata:
        parts.append(xml_element("metadata", metadata))
    return "".join([*parts, "</export>"]).encode()


def xml_element(tag: str, value: Any, attributes: str = "") -> str:
    """An element and what is in it."""
    if value is None:
        return f'<{tag}{attributes} nil="true"/>'
    if isinstance(value, list):
        return f"<{tag}{attributes}>{''.join(xml_element('item', one) for one in value)}</{tag}>"
    if isinstance(value, dict):
        inner = "".join(
            xml_element("entry", one, f" key={quoteattr(str(key), QUOTED)}")
            for key, one in value.items()
        )
        return f"<{tag}{attributes}>{inner}</{tag}>"
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else json.dumps(value)
        if isinstance(value, float)
        else str(value)
    )
    return f"<{tag}{attributes}>{escape(text, {chr(13): '&#13;'})}</{tag}>"


QUOTED = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def pdf(text: str) -> bytes:
    """A PDF of one page with one line."""
    shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    page = f"BT /F1 14 Tf 72 770 Td ({shown}) Tj ET".encode("latin-1", "replace")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(page), page),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    return (
        body
        + head
        + table
        + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, len(body))
    )
