"""HubSpot's CRM API: v3 objects, properties and pipelines, v4 associations, and their 2026-09 twins.

A date-based path is turned into its v3/v4 twin first; what differs is the status of some answers (200 for 201).
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from sandbox.clock import Clock, iso
from sandbox.emulator import Emulator
from sandbox.http import BadJson, Call, Reply, Router
from sandbox.hubspot.properties import ASSOCIATIONS, OBJECT_TYPES, TYPE_NAMES
from sandbox.hubspot.state import Portal, RowError

BATCH_LIMIT = 100
"""Inputs of an object batch. Source: HubSpot, Using object APIs, 2026-11."""
ASSOCIATION_LIMIT = 2000
"""Inputs of v4 batch/create and batch/associate/default. Source: HubSpot, Associations v4 guide, 2026-11."""
ASSOCIATION_READ_LIMIT = 1000
SEARCH_LIMIT = 200
BURST = (250, 10.0)
"""Calls per 10 s of an account with the API limit increase. Source: HubSpot, API usage guidelines, 2026-11."""

TWINS = (
    (re.compile(r"^/crm/objects/\d{4}-\d{2}/(\w[\w-]*)/([\w-]+)/associations/"), r"/crm/v4/objects/\1/\2/associations/"),
    (re.compile(r"^/crm/objects/\d{4}-\d{2}/"), "/crm/v3/objects/"),
    (re.compile(r"^/crm/associations/\d{4}-\d{2}/"), "/crm/v4/associations/"),
    (re.compile(r"^/crm/properties/\d{4}-\d{2}/"), "/crm/v3/properties/"),
    (re.compile(r"^/crm/pipelines/\d{4}-\d{2}/"), "/crm/v3/pipelines/"),
    (re.compile(r"^/crm/owners/\d{4}-\d{2}"), "/crm/v3/owners"),
    (re.compile(r"^/oauth/\d{4}-\d{2}/"), "/oauth/v1/"),
)
WITHOUT_ROWS = ("notes", "tasks", "leads", "files")
"""Standard objects that the control plane knows and nothing can be written to yet."""
READS = re.compile(r"/batch/read/?$|/search/?$")


class HubSpot(Emulator):
    """Portals by token."""

    name = "hubspot"
    router = Router()
    main_token = "sandbox-token"
    default_pace = BURST

    def reset(self) -> None:
        """Empty portals; trace ids are honoured."""
        super().reset()
        self.trace_ids = True

    def __init__(self, clock: Clock) -> None:
        self.trace_ids = True
        super().__init__(clock)

    def new_account(self, name: str) -> Portal:
        """An empty portal."""
        return Portal(self.clock, self.new_id())

    def inspect(self, call: Call) -> tuple[str, int]:
        """Batch reads and searches are reads although they are posted."""
        if "/oauth/" in call.path:
            return "auth", 0
        if call.method == "GET" or READS.search(call.path):
            return "read", 0
        try:
            given = call.json()
        except BadJson:
            return "write", 0
        return "write", len(given["inputs"]) if isinstance(given, dict) and isinstance(given.get("inputs"), list) else 1

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Live records of a portal."""
        kind = TYPE_NAMES.get(name)
        if kind is None:
            return [] if name in WITHOUT_ROWS else None
        portal: Portal = self.account(account)
        return [
            {"id": one["id"], "properties": one["properties"], "links": portal.links(kind, one["id"])}
            for one in portal.records[kind].values()
            if not one["archived"]
        ]

    def handle(self, call: Call) -> Reply:
        """Check token and pace, then answer."""
        if call.path.endswith("/oauth/v1/token") or re.match(r"^/oauth/\d{4}-\d{2}/token", call.path):
            return Reply(
                200, {"access_token": self.main_token, "expires_in": 1800, "token_type": "bearer", "refresh_token": "sandbox-refresh"}
            )
        name = self.account_name(call.bearer)
        if name is None:
            return self.error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid.")
        pace = self.pace_of(name)
        if pace.spent:
            return self.too_many("DAILY")
        if pace.wait_s(time.monotonic()):
            return self.too_many("TEN_SECONDLY_ROLLING")
        path, dated = call.path, False
        for pattern, twin in TWINS:
            path, replaced = pattern.subn(twin, path)
            dated = dated or bool(replaced)
        found = self.router.find(call.method, path)
        if found is None:
            return Reply(501, {"status": "error", "message": f"the sandbox does not emulate {call.method} {call.path} of HubSpot"})
        handler, params = found
        try:
            reply = self._answer(handler, call, self.account(name), params)
        except BadJson:
            reply = self.error(400, "VALIDATION_ERROR", "Invalid input JSON")
        except RowError as error:
            reply = self.error(error.status, error.category, error.message, error)
        if dated and reply.status == 201:
            reply.status = 200
        reply.headers |= {
            "X-HubSpot-RateLimit-Max": str(pace.calls),
            "X-HubSpot-RateLimit-Remaining": str(pace.remaining),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(pace.per_s * 1000)),
        }
        return reply

    def _answer(self, handler: Any, call: Call, portal: Portal, params: dict[str, str]) -> Reply:
        for name in ("kind", "to_kind"):
            if name in params:
                if params[name] not in TYPE_NAMES and params[name] not in OBJECT_TYPES.values():
                    return self.error(404, "OBJECT_NOT_FOUND", f"Unable to infer object type from: {params[name]}")
                params[name] = TYPE_NAMES[params[name]]
        reply: Reply = handler(self, call, portal, **params)
        return reply

    def error(self, status: int, category: str, message: str, row: RowError | None = None) -> Reply:
        """HubSpot's error body."""
        body: dict[str, Any] = {"status": "error", "message": message, "correlationId": str(uuid.uuid4()), "category": category}
        if row and row.code:
            body["message"] = (
                f'Property values were not valid: [{{"isValid":false,"message":"{row.message}","error":"{row.code}","name":"{row.prop}"}}]'
            )
            body["errors"] = [{"message": row.message, "code": row.code, "context": {"propertyName": [row.prop]}}]
        return Reply(status, body)

    def too_many(self, policy: str, retry_after_s: float | None = None) -> Reply:
        """429; Retry-After only where a fault asks for it, since HubSpot documents none here."""
        reply = self.error(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.")
        reply.body |= {"errorType": "RATE_LIMIT", "policyName": policy}
        if retry_after_s is not None:
            reply.headers["Retry-After"] = str(retry_after_s)
        return reply

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """HubSpot's words for a fault."""
        if fault == "429":
            return self.too_many("TEN_SECONDLY_ROLLING", args.get("retry_after_s"))
        if fault == "daily_limit":
            return self.too_many("DAILY", None)
        if fault == "locked_rows":
            return self.error(423, "LOCKED", "The record is locked by another write.")
        if fault == "expired_token":
            return self.error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")
        if fault == "401":
            return self.error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid.")
        if fault.startswith("403"):
            reply = self.error(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.")
            scopes = {"requiredGranularScopes": ["crm.objects.contacts.write"]}
            reply.body["errors"] = [{"message": "One or more scopes are missing.", "context": scopes}]
            return reply
        if fault == "empty_success":
            now = iso(self.clock.now(), 3)
            return Reply(200, {"status": "COMPLETE", "results": [], "startedAt": now, "completedAt": now})
        if fault == "unnamed_400":
            return self.error(400, "VALIDATION_ERROR", "Invalid input (details will vary based on the error)")
        return self.error(int(fault) if fault.isdigit() else 500, "INTERNAL_ERROR", "internal error")


def inputs_of(call: Call, limit: int = BATCH_LIMIT) -> list[dict[str, Any]]:
    """The inputs of a batch. Raises: RowError."""
    given = call.json()
    inputs = given.get("inputs") if isinstance(given, dict) else None
    if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
        raise RowError("VALIDATION_ERROR", "Invalid input JSON: inputs is required")
    if len(inputs) > limit:
        raise RowError("VALIDATION_ERROR", f"The number of inputs {len(inputs)} exceeds the limit of {limit}")
    return inputs


def shown(record: dict[str, Any], properties: list[str] | None = None) -> dict[str, Any]:
    """A record as answered, with the properties asked for and those always there."""
    own = record["properties"]
    names = own if properties is None else {*properties, "hs_object_id", "createdate", "lastmodifieddate"}
    return {
        "id": record["id"],
        "properties": {name: own[name] for name in names if name in own},
        "createdAt": record["createdAt"],
        "updatedAt": record["updatedAt"],
        "archived": record["archived"],
    }


def batch(api: HubSpot, results: list[dict[str, Any]], errors: list[dict[str, Any]], status: int = 200) -> Reply:
    """A batch answer; 207 where some rows failed."""
    now = iso(api.clock.now(), 3)
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return Reply(207 if errors else status, body, rows=len(results))


def error_item(error: RowError, context: dict[str, list[str]]) -> dict[str, Any]:
    """One failed row of a 207."""
    return {"status": "error", "category": error.category, "message": error.message, "context": context, "links": {}, "errors": []}


def write_batch(api: HubSpot, call: Call, portal: Portal, kind: str, mode: str, status: int) -> Reply:
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
            errors.append(error_item(error, {"objectWriteTraceId": [one["objectWriteTraceId"]], "ids": [str(one.get("id", ""))]}))
    for one, record, given in planned:
        try:
            kept = portal.check(kind, given, record)
        except RowError as error:
            if not apart:
                raise
            errors.append(error_item(error, {"objectWriteTraceId": [one["objectWriteTraceId"]], "ids": [str(one.get("id", ""))]}))
            continue
        written = portal.write(kind, record, kept)
        item = shown(written) | ({"new": record is None} if mode == "upsert" else {})
        if apart:
            item["objectWriteTraceId"] = one["objectWriteTraceId"]
        results.append(item)
        associate_new(portal, kind, written, one.get("associations") or [])
    return batch(api, results, errors, status)


def plan_row(portal: Portal, kind: str, one: dict[str, Any], mode: str) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]:
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
            "OBJECT_NOT_FOUND", f"Could not get some {kind} objects, they may be deleted or not exist: {one.get('id')}", status=404
        )
    if record is None and id_property:
        given.setdefault(id_property, str(one["id"]))
    portal.check(kind, given, record)
    return one, record, given


def associate_new(portal: Portal, kind: str, record: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    """Inline associations of a create."""
    for one in wanted:
        for spec in one["types"]:
            to_kind = next((to for (of, to), number in portal_types() if of == kind and number == spec["associationTypeId"]), None)
            if to_kind is None:
                raise RowError("VALIDATION_ERROR", f"unknown association type {spec['associationTypeId']}")
            portal.associate(kind, record["id"], to_kind, str(one["to"]["id"]), spec["associationTypeId"])


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
        absent = RowError("OBJECT_NOT_FOUND", f"Could not get some {kind} objects, they may be deleted or not exist.")
        errors.append(error_item(absent, {"ids": missing}))
    return batch(api, results, errors)


@route("POST", "/crm/v3/objects/{kind}/search")
def search(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Filter groups with EQ, IN and HAS_PROPERTY."""
    given = call.json() or {}

    def passes(record: dict[str, Any], one: dict[str, Any]) -> bool:
        value = record["properties"].get(one["propertyName"], "")
        tests = {"EQ": value == one.get("value"), "IN": value in one.get("values", []), "HAS_PROPERTY": bool(value)}
        if one.get("operator") not in tests:
            raise RowError("VALIDATION_ERROR", f"operator {one.get('operator')} is not emulated")
        return bool(tests[one["operator"]])

    groups = given.get("filterGroups") or [{"filters": []}]
    live = [one for one in portal.records[kind].values() if not one["archived"]]
    found = [one for one in live if any(all(passes(one, test) for test in group["filters"]) for group in groups)]
    start, limit = int(given.get("after") or 0), min(int(given.get("limit") or 10), SEARCH_LIMIT)
    page = found[start : start + limit]
    body: dict[str, Any] = {"total": len(found), "results": [shown(one, given.get("properties") or []) for one in page]}
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
        body["paging"] = {"next": {"after": str(start + limit), "link": f"{call.base_url}{call.path}?after={start + limit}"}}
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
        raise RowError("OBJECT_NOT_FOUND", f"Object not found.  objectId are usually numeric: {record_id}", status=404)
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


@route("POST", "/crm/v4/associations/{kind}/{to_kind}/batch/associate/default")
def associate_default(api: HubSpot, call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Link pairs by the default type."""
    results, errors = [], []
    for one in inputs_of(call, ASSOCIATION_LIMIT):
        from_id, to_id = str(one["from"]["id"]), str(one["to"]["id"])
        try:
            number = portal.associate(kind, from_id, to_kind, to_id, None)
        except RowError as error:
            errors.append(error_item(error, {"fromObjectId": [from_id], "toObjectId": [to_id]}))
            continue
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
        results.append({"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec})
    return batch(api, results, errors)


@route("POST", "/crm/v4/associations/{kind}/{to_kind}/batch/create")
def associate_typed(api: HubSpot, call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Link pairs by given types."""
    results, errors = [], []
    for one in inputs_of(call, ASSOCIATION_LIMIT):
        from_id, to_id = str(one["from"]["id"]), str(one["to"]["id"])
        try:
            for spec in one["types"]:
                portal.associate(kind, from_id, to_kind, to_id, spec["associationTypeId"])
        except RowError as error:
            errors.append(error_item(error, {"fromObjectId": [from_id], "toObjectId": [to_id]}))
            continue
        results.append(
            {
                "fromObjectTypeId": OBJECT_TYPES[kind],
                "fromObjectId": from_id,
                "toObjectTypeId": OBJECT_TYPES[to_kind],
                "toObjectId": to_id,
                "labels": [],
            }
        )
    return batch(api, results, errors, 201)


@route("POST", "/crm/v4/associations/{kind}/{to_kind}/batch/read")
def read_associations(api: HubSpot, call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Links of records."""
    results = []
    for one in inputs_of(call, ASSOCIATION_READ_LIMIT):
        found = association_items(portal, kind, str(one["id"]), to_kind)
        if found:
            results.append({"from": {"id": str(one["id"])}, "to": found})
    return batch(api, results, [])


def association_items(portal: Portal, kind: str, record_id: str, to_kind: str) -> list[dict[str, Any]]:
    """The other ends, as v4 shows them."""
    return [
        {
            "toObjectId": link["id"],
            "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": link["type"], "label": None}],
        }
        for link in portal.links(kind, record_id)
        if link["object"] == to_kind
    ]


@route("PUT", "/crm/v4/objects/{kind}/{record_id}/associations/default/{to_kind}/{to_id}")
def put_default(api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str, to_kind: str, to_id: str) -> Reply:
    """Link two records by the default type."""
    number = portal.associate(kind, record_id, to_kind, to_id, None)
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
    return batch(api, [{"from": {"id": record_id}, "to": {"id": to_id}, "associationSpec": spec}], [])


@route("PUT", "/crm/v4/objects/{kind}/{record_id}/associations/{to_kind}/{to_id}")
def put_typed(api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str, to_kind: str, to_id: str) -> Reply:
    """Link two records by given types."""
    for spec in call.json() or []:
        portal.associate(kind, record_id, to_kind, to_id, spec["associationTypeId"])
    ends = {"fromObjectTypeId": OBJECT_TYPES[kind], "fromObjectId": record_id, "toObjectTypeId": OBJECT_TYPES[to_kind], "toObjectId": to_id}
    return Reply(201, {**ends, "labels": []})


@route("GET", "/crm/v4/objects/{kind}/{record_id}/associations/{to_kind}")
def list_associations(api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str, to_kind: str) -> Reply:
    """Links of one record."""
    items = association_items(portal, kind, record_id, to_kind)
    for item in items:
        item["toObjectId"] = int(item["toObjectId"])
    return Reply(200, {"results": items}, rows=len(items))


@route("GET", "/crm/v3/properties/{kind}/groups")
def list_groups(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Property groups."""
    return Reply(200, {"results": list(portal.groups[kind].values())}, rows=len(portal.groups[kind]))


@route("POST", "/crm/v3/properties/{kind}/groups")
def create_group(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """A new group."""
    given = call.json() or {}
    name = given.get("name")
    if not name or not given.get("label"):
        raise RowError("VALIDATION_ERROR", "name and label are required")
    if name in portal.groups[kind]:
        raise RowError("OBJECT_ALREADY_EXISTS", f"A property group named '{name}' already exists.", status=409)
    portal.groups[kind][name] = {"name": name, "label": given["label"], "displayOrder": given.get("displayOrder", -1), "archived": False}
    return Reply(201, portal.groups[kind][name])


@route("GET", "/crm/v3/properties/{kind}")
def list_properties(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """All properties."""
    return Reply(200, {"results": list(portal.properties[kind].values())}, rows=len(portal.properties[kind]))


def new_property(portal: Portal, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Define a property. Raises: RowError."""
    for name in ("name", "label", "type", "fieldType", "groupName"):
        if not given.get(name):
            raise RowError("VALIDATION_ERROR", f"{name} is required")
    if given["name"] in portal.properties[kind]:
        raise RowError("OBJECT_ALREADY_EXISTS", f"A property named '{given['name']}' already exists.", status=409)
    if given["groupName"] not in portal.groups[kind]:
        raise RowError("VALIDATION_ERROR", f"The property group {given['groupName']} does not exist")
    if given["type"] not in ("string", "number", "date", "datetime", "enumeration", "bool"):
        raise RowError("VALIDATION_ERROR", f"{given['type']} is no property type")
    made = {
        "description": "",
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": False,
        **given,
        "options": given.get("options") or [],
        "modificationMetadata": {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": False},
    }
    portal.properties[kind][given["name"]] = made
    return made


@route("POST", "/crm/v3/properties/{kind}")
def create_property(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """A new property."""
    return Reply(201, new_property(portal, kind, call.json() or {}))


@route("POST", "/crm/v3/properties/{kind}/batch/create")
def create_properties(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """New properties."""
    return batch(api, [new_property(portal, kind, one) for one in inputs_of(call)], [], 201)


@route("GET", "/crm/v3/properties/{kind}/{name}")
def get_property(api: HubSpot, call: Call, portal: Portal, kind: str, name: str) -> Reply:
    """One property."""
    if name not in portal.properties[kind]:
        raise RowError("OBJECT_NOT_FOUND", f"property {name} does not exist", status=404)
    return Reply(200, portal.properties[kind][name], rows=1)


@route("PATCH", "/crm/v3/properties/{kind}/{name}")
def patch_property(api: HubSpot, call: Call, portal: Portal, kind: str, name: str) -> Reply:
    """Change label, group or options; uniqueness is for ever."""
    known = portal.properties[kind].get(name)
    if known is None:
        raise RowError("OBJECT_NOT_FOUND", f"property {name} does not exist", status=404)
    given = call.json() or {}
    known |= {key: given[key] for key in ("label", "groupName", "description", "options", "hidden") if key in given}
    return Reply(200, known)


@route("GET", "/crm/v3/pipelines/{kind}")
def list_pipelines(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Pipelines with their stages."""
    found = portal.stage_options() if kind == "deals" else []
    return Reply(200, {"results": found}, rows=len(found))


@route("GET", "/crm/v3/owners")
def list_owners(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """The one owner of a sandbox portal."""
    now = iso(api.clock.now(), 3)
    owner = {
        "id": "1",
        "email": "owner@example.com",
        "type": "PERSON",
        "firstName": "Sam",
        "lastName": "Owner",
        "userId": 1,
        "createdAt": now,
        "updatedAt": now,
        "archived": False,
    }
    return Reply(200, {"results": [owner]}, rows=1)


@route("GET", "/account-info/v3/details")
def account_details(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """Which portal the token opens."""
    return Reply(
        200,
        {
            "portalId": portal.portal_id,
            "accountType": "STANDARD",
            "timeZone": "US/Eastern",
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": "-05:00",
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
        rows=1,
    )
