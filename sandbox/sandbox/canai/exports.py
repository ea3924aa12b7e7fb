"""Exports: `POST /v1/export` and `GET /v1/export/{export_id}`."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from sandbox.canai.errors import RefusedError
from sandbox.canai.files import Content, chunks, write
from sandbox.canai.openapi import REQUEST
from sandbox.canai.responses import export_reply
from sandbox.canai.selection import Columns, Selection, date_range, selection, user_filter
from sandbox.canai.state import Export, Platform
from sandbox.clock import iso
from sandbox.http import Call, Reply

PROCESSING_TIME = timedelta(seconds=2)
VALIDATOR = Draft202012Validator(REQUEST)


def create_export(call: Call, platform: Platform) -> Reply:
    """Run an export at once."""
    request = call.json()
    check_request(request)

    anonymous = bool(request.get("anonymize_data"))
    start, end = date_range(request.get("date_range"))
    passes = user_filter(platform.source.rows["users"], request.get("user_filters"))
    rows = Selection(start, end, platform.clock.now(), passes, anonymous)
    chosen = selection(request["export_type"], request["data_fields"])
    if len(chosen) > 1 and request["format"] != "json":
        message = f"{request['format']} files hold one record set; {len(chosen)} are selected."
        raise RefusedError(message, code="bad_format")

    export = run_export(platform, request, rows, chosen)
    platform.keep(export)
    return export_reply(platform, call, export)


def check_request(request: Any) -> None:
    """Check a request against the schema of the OpenAPI document.

    Raises: RefusedError.
    """
    wrong = best_match(VALIDATOR.iter_errors(request))
    if wrong is not None:
        place = "/".join(map(str, wrong.absolute_path)) or "the body"
        raise RefusedError(f"{place} does not match ExportRequest.", {"at": place})


def run_export(
    platform: Platform, request: dict[str, Any], rows: Selection, chosen: dict[str, Columns]
) -> Export:
    """The files of an export, whole or in chunks by their size."""
    content = selected(platform, rows, chosen)
    names = {record_set: rows.names(columns) for record_set, columns in chosen.items()}
    count = sum(len(selected_rows) for selected_rows in content.values())
    export_id = f"exp_{secrets.token_hex(12)}"
    metadata = {
        "export_id": export_id,
        "export_created_at": iso(rows.now),
        "record_count": count,
    }
    shown = metadata if request.get("include_metadata") else None

    whole = write(content, request["format"], names, shown)
    export = Export(export_id, [(whole, count)], count, rows.now, request["format"])
    if len(whole) > platform.chunk_bytes:
        export.chunked = True
        export.files = list(chunks(content, request["format"], names, platform.chunk_bytes))
    if len(whole) > platform.async_bytes:
        export.ready_at = rows.now + PROCESSING_TIME
    return export


def selected(platform: Platform, rows: Selection, chosen: dict[str, Columns]) -> Content:
    """The rows that an export holds, with the columns asked for."""
    content: Content = {}
    for record_set, columns in chosen.items():
        content[record_set] = [
            rows.shown(row, columns)
            for row in platform.rows(record_set)
            if rows.takes(record_set, row)
        ]
    return content


def get_export(call: Call, platform: Platform, export_id: str) -> Reply:
    """An export that was asked for before."""
    export = platform.export_of(export_id)
    if export is None:
        raise RefusedError("No such export.", status=404, code="not_found")
    return export_reply(platform, call, export)
