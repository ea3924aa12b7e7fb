"""HubSpot's objects: batch and single calls, search, listings."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.api import HubSpot
from sandbox.hubspot.batches import batch, error_item, inputs_of, shown
from sandbox.hubspot.properties import ASSOCIATIONS
from sandbox.hubspot.state import Portal, RowError

SEARCH_LIMIT = 200


def write_batch(
    api: HubSpot, call: Call, portal: Portal, kind: str, mode: str, status: int
) -> Reply:
    """create, update or upsert: rows apart where each carries its own trace id, else all or nothing."""
    inputs = inputs_of(call)
    traces = [one.get("objectWriteTraceId") for one in inputs]
    apart = api.trace_ids and all(traces) and len(set(traces)) == len(traces)
    identifiers = [(one.get("idProperty"), one.get("id")) for one in inputs]
    if mode != "create" and len(set(identifiers)) < len(identifiers):
        raise RowError("VALIDATION_ERROR", "Duplicate IDs found in batch input")
    results, errors = [], []
    planned = []
    for one in inputs:
        try:
            planned.append(plan_row(portal, kind, one, mode))
        except RowError as error:
            if not apart:
                raise
            errors.append(
                error_item(
                    error,
                    {
                        "objectWriteTraceId": [one["objectWriteTraceId"]],
                        "ids": [str(one.get("id", ""))],
                    },
                )
            )
    for one, record, given in planned:
        try:
            kept = portal.check(kind, given, record)
        except RowError as error:
            if not apart:
                raise
            errors.append(
                error_item(
                    error,
                    {
                        "objectWriteTraceId": [one["objectWriteTraceId"]],
                        "ids": [str(one.get("id", ""))],
                    },
                )
            )
            continue
        written = portal.write(kind, record, kept)
        item = shown(written) | ({"new": record is None} if mode == "upsert" else {})
        if apart:
            item["objectWriteTraceId"] = one["objectWriteTraceId"]
        results.append(item)
        associate_new(portal, kind, written, one.get("associations") or [])
    return batch(api, results, errors, status)


def plan_row(
    portal: Portal, kind: str, one: dict[str, Any], mode: str
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]:
    """An input, the record it means and the values to write. Raises: RowError."""
    given = dict(one.get("properties") or {})
    if mode == "create":
        portal.check(kind, given, None)
        return one, None, given
    id_property = one.get("idProperty")
    if mode == "upsert" and not id_property:
        raise RowError("VALIDATION_ERROR", "idProperty is required for upsert")
    if id_property:
        portal.check_id_property(kind, id_property)
    record = portal.find(kind, str(one.get("id", "")), id_property)
    if record is None and mode == "update":
        raise RowError(
            "OBJECT_NOT_FOUND",
            f"Could not get some {kind} objects, they may be deleted or not exist: {one.get('id')}",
            status=404,
        )
    if record is None and id_property:
        given.setdefault(id_property, str(one["id"]))
    portal.check(kind, given, record)
    return one, record, given


def associate_new(
    portal: Portal, kind: str, record: dict[str, Any], wanted: list[dict[str, Any]]
) -> None:
    """Inline associations of a create."""
    for one in wanted:
        for spec in one["types"]:
            to_kind = next(
                (
                    to
                    for (of, to), number in portal_types()
                    if of == kind and number == spec["associationTypeId"]
                ),
                None,
            )
            if to_kind is None:
                raise RowError(
                    "VALIDATION_ERROR", f"unknown association type {spec['associationTypeId']}"
                )
            portal.associate(
                kind, record["id"], to_kind, str(one["to"]["id"]), spec["associationTypeId"]
            )


def portal_types() -> list[tuple[tuple[str, str], int]]:
    """Pairs of objects with their association type."""
    return list(ASSOCIATIONS.items())


route = HubSpot.router.add


@route("POST", "/crm/v3/objects/{kind}/batch/upsert")
def batch_upsert(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Create or update by a unique property."""
    return write_batch(api, call, portal, kind, "upsert", 200)


@route("POST", "/crm/v3/objects/{kind}/batch/create")
def batch_create(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Create."""
    return write_batch(api, call, portal, kind, "create", 201)


@route("POST", "/crm/v3/objects/{kind}/batch/update")
def batch_update(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Update by id."""
    return write_batch(api, call, portal, kind, "update", 200)


@route("POST", "/crm/v3/objects/{kind}/batch/archive")
def batch_archive(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Into the recycle bin."""
    for one in inputs_of(call):
        record = portal.find(kind, str(one.get("id")), None)
        if record:
            portal.archive(kind, record)
    return Reply(204)


@route("POST", "/crm/v3/objects/{kind}/batch/read")
def batch_read(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Read by id or unique property; what is not there is an error beside the results."""
    inputs = inputs_of(call)
    given = call.json()
    id_property = given.get("idProperty")
    if id_property:
        portal.check_id_property(kind, id_property)
    results, missing = [], []
    for one in inputs:
        record = portal.find(kind, str(one.get("id", "")), id_property)
        if record is None:
            missing.append(str(one.get("id", "")))
        else:
            results.append(shown(record, given.get("properties") or []))
    errors = []
    if missing:
        absent = RowError(
            "OBJECT_NOT_FOUND",
            f"Could not get some {kind} objects, they may be deleted or not exist.",
        )
        errors.append(error_item(absent, {"ids": missing}))
    return batch(api, results, errors)


@route("POST", "/crm/v3/objects/{kind}/search")
def search(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Filter groups with EQ, IN and HAS_PROPERTY."""
    given = call.json() or {}

    def passes(record: dict[str, Any], one: dict[str, Any]) -> bool:
        value = record["properties"].get(one["propertyName"], "")
        tests = {
            "EQ": value == one.get("value"),
            "IN": value in one.get("values", []),
            "HAS_PROPERTY": bool(value),
        }
        if one.get("operator") not in tests:
            raise RowError("VALIDATION_ERROR", f"operator {one.get('operator')} is not emulated")
        return bool(tests[one["operator"]])

    groups = given.get("filterGroups") or [{"filters": []}]
    live = [one for one in portal.records[kind].values() if not one["archived"]]
    found = [
        one
        for one in live
        if any(all(passes(one, test) for test in group["filters"]) for group in groups)
    ]
    start, limit = int(given.get("after") or 0), min(int(given.get("limit") or 10), SEARCH_LIMIT)
    page = found[start : start + limit]
    body: dict[str, Any] = {
        "total": len(found),
        "results": [shown(one, given.get("properties") or []) for one in page],
    }
    if start + limit < len(found):
        body["paging"] = {"next": {"after": str(start + limit)}}
    return Reply(200, body, rows=len(page))


@route("GET", "/crm/v3/objects/{kind}")
def list_records(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """A page of records."""
    live = [one for one in portal.records[kind].values() if not one["archived"]]
    start, limit = int(call.query.get("after") or 0), min(int(call.query.get("limit") or 10), 100)
    names = [name for name in call.query.get("properties", "").split(",") if name]
    body: dict[str, Any] = {"results": [shown(one, names) for one in live[start : start + limit]]}
    if start + limit < len(live):
        body["paging"] = {
            "next": {
                "after": str(start + limit),
                "link": f"{call.base_url}{call.path}?after={start + limit}",
            }
        }
    return Reply(200, body, rows=len(body["results"]))


@route("POST", "/crm/v3/objects/{kind}")
def create_record(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Create one."""
    given = call.json() or {}
    kept = portal.check(kind, given.get("properties") or {}, None)
    record = portal.write(kind, None, kept)
    associate_new(portal, kind, record, given.get("associations") or [])
    return Reply(201, shown(record))


def wanted(call: Call, portal: Portal, kind: str, record_id: str) -> dict[str, Any]:
    """The record a path names. Raises: RowError."""
    id_property = call.query.get("idProperty")
    if id_property:
        portal.check_id_property(kind, id_property)
    record = portal.find(kind, record_id, id_property)
    if record is None:
        raise RowError(
            "OBJECT_NOT_FOUND",
            f"Object not found.  objectId are usually numeric: {record_id}",
            status=404,
        )
    return record


@route("GET", "/crm/v3/objects/{kind}/{record_id}")
def get_record(api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str) -> Reply:
    """Read one."""
    names = [name for name in call.query.get("properties", "").split(",") if name]
    return Reply(200, shown(wanted(call, portal, kind, record_id), names or None), rows=1)


@route("PATCH", "/crm/v3/objects/{kind}/{record_id}")
def update_record(api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str) -> Reply:
    """Update one."""
    record = wanted(call, portal, kind, record_id)
    kept = portal.check(kind, (call.json() or {}).get("properties") or {}, record)
    return Reply(200, shown(portal.write(kind, record, kept)))


@route("DELETE", "/crm/v3/objects/{kind}/{record_id}")
def delete_record(api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str) -> Reply:
    """Into the recycle bin."""
    record = portal.find(kind, record_id, None)
    if record:
        portal.archive(kind, record)
    return Reply(204)
