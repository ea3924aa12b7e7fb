"""Pipedrive's response bodies: records, pages of v2 and v1, search results."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import BODY, FILE_OWNERS, KINDS, NO_CUSTOM
from sandbox.pipedrive.errors import RefusedError, invalid
from sandbox.pipedrive.state import Company, Record

PAGE, PAGE_LIMIT = 100, 500
"""Rows a page has by default, and at most."""


def only(call: Call, known: Iterable[str]) -> None:
    """Refuse a parameter that the emulator does not act on.

    Raises: RefusedError.
    """
    unknown = sorted(set(call.query) - {*known, "api_token"})
    if unknown:
        raise RefusedError(f"the sandbox does not emulate the parameter {unknown[0]}", 501)


def success(data: Any, rows: int | None = None, status: int = 200) -> Reply:
    """A success; `rows` is what the request log counts for a read."""
    return Reply(status, {"success": True, "data": data}, rows=rows)


def page_reply(shown: list[Any], cursor: str | None = None) -> Reply:
    """A page of v2; the last page names no cursor."""
    additional = {"next_cursor": cursor} if cursor else {}
    body = {"success": True, "data": shown, "additional_data": additional}
    return Reply(200, body, rows=len(shown))


def page_of(call: Call, records: list[Any]) -> tuple[list[Any], str | None]:
    """The page of v2 that a call asks for, and the cursor of the next one.

    Raises: RefusedError.
    """
    try:
        limit = int(call.query.get("limit", PAGE))
        start = offset_of(call.query.get("cursor") or "")
    except ValueError as error:
        raise invalid("limit or cursor") from error
    if not 1 <= limit <= PAGE_LIMIT:
        raise invalid(f"limit is at most {PAGE_LIMIT}")

    end = start + limit
    cursor = base64.urlsafe_b64encode(str(end).encode()).decode()
    return records[start:end], cursor if end < len(records) else None


def offset_of(cursor: str) -> int:
    """Where the page of a cursor starts.

    Raises: ValueError.
    """
    return int(base64.urlsafe_b64decode(cursor).decode()) if cursor else 0


def v1_body(row: Record) -> Record:
    """A row of v1, whose specification has no null here."""
    return {name: value for name, value in row.items() if value is not None}


def v1_page(call: Call, rows: list[Record]) -> Reply:
    """The page of v1 that a call asks for."""
    start = int(call.query.get("start") or 0)
    limit = min(int(call.query.get("limit") or PAGE), PAGE_LIMIT)
    end = start + limit
    more = end < len(rows)

    pagination = {"start": start, "limit": limit, "more_items_in_collection": more}
    if more:
        pagination["next_start"] = end
    shown = [v1_body(row) for row in rows[start:end]]
    body = {"success": True, "data": shown, "additional_data": {"pagination": pagination}}
    return Reply(200, body, rows=len(shown))


def record_body(company: Company, kind: str, record: Record) -> Record:
    """A record with every custom field, null if it is not set."""
    if kind in NO_CUSTOM:
        return {name: value for name, value in record.items() if name != "custom_fields"}
    filled = dict.fromkeys(company.custom(kind)) | record["custom_fields"]
    return {**record, "custom_fields": filled}


def search_item(kind: str, record: Record) -> Record:
    """A record as search shows it."""
    item = {"id": record["id"], "type": KINDS[kind]}
    if kind == "deals":
        return {**item, "title": record["title"]}

    item |= {"visible_to": record["visible_to"], "owner": {"id": record["owner_id"]}}
    item |= {"custom_fields": []}
    if kind == "leads":
        return {**item, "title": record["title"], "notes": [], "is_archived": record["is_archived"]}
    if kind == "products":
        return {**item, "name": record["name"]}
    if kind == "organizations":
        return {**item, "name": record["name"], "notes": []}

    emails = [entry["value"] for entry in record["emails"]]
    return {
        **item,
        "name": record["name"],
        "phones": [entry["value"] for entry in record["phones"]],
        "emails": emails,
        "primary_email": emails[0] if emails else None,
        "notes": [],
        "update_time": record["update_time"],
    }


def control_records(company: Company, kind: str) -> list[dict[str, Any]]:
    """Live records as the control plane shows them: custom fields by name, options by label."""
    known = company.custom(kind)
    rows = []
    for record in company.live(kind):
        values = {
            name: value for name, value in record.items() if name not in ("id", "custom_fields")
        }
        for key, value in record["custom_fields"].items():
            values[known[key]["field_name"]] = labeled(known[key], value)

        links = [
            {"object": wanted, "id": record[name], "type": name}
            for name, wanted in BODY[kind].items()
            if wanted in KINDS and record.get(name)
        ]
        rows.append({"id": record["id"], "properties": values, "links": links})
    return rows


def labeled(field: dict[str, Any], value: Any) -> Any:
    """The value of a custom field, with labels in place of the ids of options."""
    if "options" not in field:
        return value

    labels = {option["id"]: option["label"] for option in field["options"]}
    if isinstance(value, list):
        return [labels[option_id] for option_id in value]
    return labels.get(value, value)


def control_v1_rows(rows: dict[int, Record]) -> list[dict[str, Any]]:
    """Notes or files as the control plane shows them, with what they belong to."""
    shown = []
    for row in rows.values():
        if not row["active_flag"]:
            continue

        links = [
            {"object": kind, "id": row[name], "type": name}
            for name, kind in FILE_OWNERS.items()
            if row.get(name)
        ]
        values = {name: value for name, value in row.items() if name != "id"}
        shown.append({"id": row["id"], "properties": values, "links": links})
    return shown
