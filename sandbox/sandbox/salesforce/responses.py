"""Salesforce's response bodies: descriptions, rows, results of writes, query pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from sandbox.http import Reply
from sandbox.salesforce.state import Org, Row

QUERY_PAGE = 2000
CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a new word begins in the name of an object."""
SET_UP_ELSEWHERE = ("Organization", "CurrencyType", "DuplicateRule")
"""Objects whose rows come with the org."""


def attributes(sobject: str, row_id: str) -> dict[str, str]:
    """What Salesforce puts beside every row."""
    return {"type": sobject, "url": f"/services/data/v67.0/sobjects/{sobject}/{row_id}"}


def row_body(sobject: str, row: Row, names: Iterable[str]) -> dict[str, Any]:
    """A row with the named fields."""
    values = {name: row.get(name) for name in names}
    return {"attributes": attributes(sobject, row["Id"]), **values}


def result(row_id: str, *, created: bool | None = None) -> dict[str, Any]:
    """A row that was written; `created` is for upserts."""
    body: dict[str, Any] = {"id": row_id, "success": True, "errors": []}
    if created is not None:
        body["created"] = created
    return body


def object_names(org: Org) -> list[dict[str, Any]]:
    """The objects that the running user sees, as the global describe lists them."""
    return [summary(org, name) for name in org.objects if org.may_use(name)]


def summary(org: Org, sobject: str) -> dict[str, Any]:
    """What both describes say of an object."""
    label, plural = org.labels.get(sobject) or standard_labels(sobject)
    return {
        "name": sobject,
        "label": label,
        "labelPlural": plural,
        "keyPrefix": org.prefixes[sobject],
        "custom": sobject.endswith("__c"),
        "createable": sobject not in SET_UP_ELSEWHERE,
        "updateable": sobject not in SET_UP_ELSEWHERE,
        "queryable": True,
        "urls": {"describe": f"/services/data/v67.0/sobjects/{sobject}/describe"},
    }


def standard_labels(sobject: str) -> tuple[str, str]:
    """Singular and plural of a standard object."""
    if sobject == "Product2":
        return "Product", "Products"
    label = CAPITALS.sub(" ", sobject)
    return label, f"{label[:-1]}ies" if label.endswith("y") else f"{label}s"


def description(org: Org, sobject: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    """An object with its fields, as describe shows it."""
    return {**summary(org, sobject), "fields": fields}


def query_page(
    text: str, rows: list[dict[str, Any]], start: int, *, deleted: bool = False
) -> Reply:
    """A page of a query's rows, and where the next one is."""
    end = start + QUERY_PAGE
    page = rows[start:end]
    body: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows), "records": page}
    if not body["done"]:
        scope = "all" if deleted else "live"
        locator = base64.urlsafe_b64encode(f"{end}|{scope}|{text}".encode()).decode()
        body["nextRecordsUrl"] = f"/services/data/v67.0/query/{locator}"
    return Reply(200, body, rows=len(page))


def control_rows(org: Org, sobject: str) -> list[dict[str, Any]]:
    """Rows as the control plane shows them: every field, look-ups as links."""
    rows = []
    for row in org.rows[sobject].values():
        values = {name: value for name, value in row.items() if name != "Id"}
        links = row_links(org, sobject, row)
        rows.append({"id": row["Id"], "properties": values, "links": links})
    return rows


def row_links(org: Org, sobject: str, row: Row) -> list[dict[str, Any]]:
    """Look-ups of a row, but not those of users."""
    links = []
    for name, field in org.objects[sobject].items():
        targets = field["referenceTo"]
        if not targets or not row.get(name) or targets[0] == "User":
            continue
        if targets == ["*"]:
            targets = [other for other, rows in org.rows.items() if row[name] in rows]
        links += [{"object": target, "id": row[name], "type": name} for target in targets]
    return links
