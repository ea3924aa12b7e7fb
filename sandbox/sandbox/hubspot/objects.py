"""HubSpot's calls on single records, listings and search."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.batches import associate_new
from sandbox.hubspot.errors import NotEmulatedError, invalid, not_found
from sandbox.hubspot.responses import record_body
from sandbox.hubspot.state import Portal, Record

PAGE = 10
LIST_LIMIT = 100
SEARCH_LIMIT = 200
SEARCH_RESULTS = 10_000
IN_VALUES = 100
GROUPS, FILTERS = 5, 25
"""Limits of a search: a page, all pages, values of a filter, filter groups, filters.

Source: HubSpot, Search the CRM, and changelog of 2024-08-26, read 2026-11-29.
"""
SEARCH_KEYS = ("filterGroups", "properties", "limit", "after")


def search(call: Call, portal: Portal, kind: str) -> Reply:
    """Filter groups with EQ, IN and HAS_PROPERTY, on records as searches see them."""
    body = call.json() or {}
    for key in body:
        if key not in SEARCH_KEYS:
            raise NotEmulatedError(f"{key} in a search")
    groups = body.get("filterGroups") or [{"filters": []}]
    check_search(portal, kind, body, groups)

    matching = []
    for record in portal.searched(kind):
        if any(
            all(passes(portal, kind, record, test) for test in group["filters"]) for group in groups
        ):
            matching.append(record)

    start = int(body.get("after") or 0)
    end = start + int(body.get("limit") or PAGE)
    page = [record_body(record, body.get("properties") or []) for record in matching[start:end]]
    answer: dict[str, Any] = {"total": len(matching), "results": page}
    if end < len(matching):
        answer["paging"] = {"next": {"after": str(end)}}
    return Reply(200, answer, rows=len(page))


def check_search(
    portal: Portal, kind: str, body: dict[str, Any], groups: list[dict[str, Any]]
) -> None:
    """Check a search against its limits. Raises: RefusedError."""
    limit, after = int(body.get("limit") or PAGE), int(body.get("after") or 0)
    if limit > SEARCH_LIMIT:
        raise invalid(f"limit must be at most {SEARCH_LIMIT}")
    if after + limit > SEARCH_RESULTS:
        raise invalid(f"a search returns at most {SEARCH_RESULTS} results")
    filters = [test for group in groups for test in group["filters"]]
    if len(groups) > GROUPS or len(filters) > FILTERS:
        raise invalid(f"a search takes at most {GROUPS} filter groups and {FILTERS} filters")
    for test in filters:
        if len(test.get("values", [])) > IN_VALUES:
            raise invalid(f"a filter takes at most {IN_VALUES} values")
        if test["propertyName"] not in portal.properties[kind]:
            raise invalid(f"There was a problem with the request: {test['propertyName']}")


def passes(portal: Portal, kind: str, record: Record, test: dict[str, Any]) -> bool:
    """Returns True if a record passes a filter.

    Text is found in any case, but the values of IN have to be in lower case.
    Source: HubSpot, Search the CRM, read 2026-11-29.

    Raises: NotEmulatedError.
    """
    value = record["properties"].get(test["propertyName"], "")
    if portal.properties[kind][test["propertyName"]]["type"] == "string":
        value = value.lower()
    results = {
        "EQ": value == str(test.get("value", "")).lower(),
        "IN": bool(value) and value in test.get("values", []),
        "HAS_PROPERTY": bool(value),
    }
    operator = test.get("operator")
    if operator not in results:
        raise NotEmulatedError(f"the operator {operator} of a search")
    return bool(results[operator])


def list_records(call: Call, portal: Portal, kind: str) -> Reply:
    """A page of records."""
    live = portal.live(kind)
    start = int(call.query.get("after") or 0)
    end = start + min(int(call.query.get("limit") or PAGE), LIST_LIMIT)
    names = names_of(call)

    body: dict[str, Any] = {"results": [record_body(record, names) for record in live[start:end]]}
    if end < len(live):
        link = f"{call.base_url}{call.path}?after={end}"
        body["paging"] = {"next": {"after": str(end), "link": link}}
    return Reply(200, body, rows=len(body["results"]))


def names_of(call: Call) -> list[str]:
    """The properties that a GET asks for."""
    return [name for name in call.query.get("properties", "").split(",") if name]


def create(call: Call, portal: Portal, kind: str) -> Reply:
    """Create one."""
    body = call.json() or {}
    kept = portal.check(kind, body.get("properties") or {}, None)
    record = portal.write(kind, None, kept)
    associate_new(portal, kind, record, body.get("associations") or [])
    return Reply(201, record_body(record))


def record_of(call: Call, portal: Portal, kind: str, record_id: str) -> Record:
    """The record a path names.

    Raises: RefusedError.
    """
    id_property = call.query.get("idProperty")
    if id_property:
        portal.check_id_property(kind, id_property)

    record = portal.find(kind, record_id, id_property)
    if record is None:
        raise not_found(f"Object not found.  objectId are usually numeric: {record_id}")
    return record


def get(call: Call, portal: Portal, kind: str, record_id: str) -> Reply:
    """Read one."""
    record = record_of(call, portal, kind, record_id)
    return Reply(200, record_body(record, names_of(call) or None), rows=1)


def update(call: Call, portal: Portal, kind: str, record_id: str) -> Reply:
    """Update one."""
    record = record_of(call, portal, kind, record_id)
    kept = portal.check(kind, (call.json() or {}).get("properties") or {}, record)
    return Reply(200, record_body(portal.write(kind, record, kept)))


def delete(call: Call, portal: Portal, kind: str, record_id: str) -> Reply:
    """Into the recycle bin."""
    record = portal.find(kind, record_id)
    if record:
        portal.archive(kind, record)
    return Reply(204)
