"""Salesforce's REST resources: describe, rows, collections, composite and queries."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.http import Call, Reply
from sandbox.salesforce.api import DAILY_CALLS, PATH, Salesforce, TopError, top
from sandbox.salesforce.soql import MalformedQuery, Query, parse
from sandbox.salesforce.state import Org, RowError

COLLECTION_LIMIT = 200
"""Rows of an sObject collection. Source: Salesforce REST guide, sObject Collections, 2026-11."""
COMPOSITE_LIMIT = 25
COMPOSITE_QUERY_LIMIT = 5
"""Subrequests of a composite, and how many of them may be queries or collections. Source: Salesforce REST guide, 2026-11."""
QUERY_PAGE = 2000
DUPLICATE_HEADER = "Sforce-Duplicate-Rule-Header"


def known_object(org: Org, sobject: str) -> str:
    """The object's name. Raises: TopError."""
    if not org.may_use(sobject):
        raise TopError(404, "NOT_FOUND", "The requested resource does not exist")
    return sobject


def run_query(org: Org, query: Query) -> list[dict[str, Any]]:
    """Rows of a query, as answered. Raises: TopError."""
    if not org.may_use(query.sobject):
        raise TopError(400, "INVALID_TYPE", f"sObject type '{query.sobject}' is not supported.")
    visible = org.visible(query.sobject)
    for name in [*query.fields, *query.names]:
        if name not in visible:
            raise TopError(
                400, "INVALID_FIELD", f"No such column '{name}' on entity '{query.sobject}'."
            )
    rows = [row for row in org.rows[query.sobject].values() if query.test(row)]
    if query.order_by:
        key = query.order_by
        rows.sort(key=lambda row: (row.get(key) is None, str(row.get(key))))
    rows = rows[: query.limit]
    return [
        {
            "attributes": attributes(query.sobject, row["Id"]),
            **{name: row.get(name) for name in query.fields},
        }
        for row in rows
    ]


def attributes(sobject: str, row_id: str) -> dict[str, str]:
    """What Salesforce puts beside every row."""
    return {"type": sobject, "url": f"/services/data/v67.0/sobjects/{sobject}/{row_id}"}


route = Salesforce.router.add


@route("GET", "/services/oauth2/userinfo")
def userinfo(api: Salesforce, call: Call, org: Org) -> Reply:
    """Who is signed in, and where."""
    return Reply(
        200,
        {
            "sub": f"{call.base_url}/id/{org.org_id}/{org.user_id}",
            "user_id": org.user_id,
            "organization_id": org.org_id,
        },
        rows=1,
    )


@route("GET", "/")
def resources(api: Salesforce, call: Call, org: Org) -> Reply:
    """Resources of a version."""
    return Reply(
        200, {"sobjects": "/services/data/v67.0/sobjects", "query": "/services/data/v67.0/query"}
    )


@route("GET", "/limits")
def limits(api: Salesforce, call: Call, org: Org) -> Reply:
    """The daily limit."""
    return Reply(
        200,
        {"DailyApiRequests": {"Max": DAILY_CALLS, "Remaining": DAILY_CALLS - org.calls}},
        rows=1,
    )


@route("GET", "/sobjects")
def global_describe(api: Salesforce, call: Call, org: Org) -> Reply:
    """Names of all objects."""
    found = [
        {
            "name": name,
            "label": name,
            "custom": name.endswith("__c"),
            "queryable": True,
            "createable": True,
        }
        for name in org.objects
    ]
    return Reply(
        200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found}, rows=len(found)
    )


@route("GET", "/sobjects/{sobject}/describe")
def describe(api: Salesforce, call: Call, org: Org, sobject: str) -> Reply:
    """Fields that the running user sees."""
    visible = org.visible(known_object(org, sobject))
    body = {
        "name": sobject,
        "label": sobject,
        "custom": sobject.endswith("__c"),
        "createable": True,
        "updateable": True,
        "queryable": True,
        "fields": list(visible.values()),
    }
    return Reply(200, body, rows=len(visible))


@route("POST", "/sobjects/{sobject}")
def create_row(api: Salesforce, call: Call, org: Org, sobject: str) -> Reply:
    """Create one."""
    given = call.json() or {}
    row = org.write(sobject, None, org.check(known_object(org, sobject), given, None))
    return Reply(201, {"id": row["Id"], "success": True, "errors": []})


def wanted(org: Org, sobject: str, row_id: str) -> dict[str, Any]:
    """The row a path names; 15 characters do. Raises: TopError."""
    rows = org.rows[known_object(org, sobject)]
    row = rows.get(row_id) or next(
        (one for key, one in rows.items() if len(row_id) == 15 and key.startswith(row_id)), None
    )
    if row is None:
        raise TopError(
            404,
            "NOT_FOUND",
            "Provided external ID field does not exist or is not accessible: " + row_id,
        )
    return row


@route("GET", "/sobjects/{sobject}/{row_id}")
def get_row(api: Salesforce, call: Call, org: Org, sobject: str, row_id: str) -> Reply:
    """Read one."""
    row = wanted(org, sobject, row_id)
    names = [name for name in call.query.get("fields", "").split(",") if name] or list(
        org.visible(sobject)
    )
    return Reply(
        200,
        {"attributes": attributes(sobject, row["Id"]), **{name: row.get(name) for name in names}},
        rows=1,
    )


@route("PATCH", "/sobjects/{sobject}/{row_id}")
def update_row(api: Salesforce, call: Call, org: Org, sobject: str, row_id: str) -> Reply:
    """Update one."""
    row = wanted(org, sobject, row_id)
    org.write(sobject, row, org.check(sobject, call.json() or {}, row))
    return Reply(204)


@route("DELETE", "/sobjects/{sobject}/{row_id}")
def delete_row(api: Salesforce, call: Call, org: Org, sobject: str, row_id: str) -> Reply:
    """Into the recycle bin."""
    org.delete(sobject, wanted(org, sobject, row_id))
    return Reply(204)


def by_external_id(org: Org, sobject: str, name: str, value: str) -> dict[str, Any] | None:
    """The one row with that external id. Raises: TopError, RowError."""
    known = org.visible(known_object(org, sobject)).get(name)
    if known is None or not known["idLookup"]:
        raise TopError(
            404,
            "NOT_FOUND",
            f"Provided external ID field does not exist or is not accessible: {name}",
        )
    found = (
        [org.rows[sobject][value]]
        if name == "Id" and value in org.rows[sobject]
        else org.find(sobject, name, value)
    )
    if len(found) > 1:
        raise RowError(
            "DUPLICATE_EXTERNAL_ID",
            f"{name}: more than one record found for external id field: {[one['Id'] for one in found]}",
            status=300,
        )
    return found[0] if found else None


@route("GET", "/sobjects/{sobject}/{name}/{value}")
def get_by_external_id(
    api: Salesforce, call: Call, org: Org, sobject: str, name: str, value: str
) -> Reply:
    """Read one by external id."""
    row = by_external_id(org, sobject, name, value)
    if row is None:
        raise TopError(404, "NOT_FOUND", "The requested resource does not exist")
    return Reply(
        200,
        {
            "attributes": attributes(sobject, row["Id"]),
            **{key: row.get(key) for key in org.visible(sobject)},
        },
        rows=1,
    )


@route("PATCH", "/sobjects/{sobject}/{name}/{value}")
def upsert_row(api: Salesforce, call: Call, org: Org, sobject: str, name: str, value: str) -> Reply:
    """Create or update one by external id."""
    row = by_external_id(org, sobject, name, value)
    given = dict(call.json() or {})
    if row is None:
        given[name] = value
    written = org.write(sobject, row, org.check(sobject, given, row))
    body = {"id": written["Id"], "success": True, "errors": [], "created": row is None}
    return Reply(201 if row is None else 200, body)


def collection(call: Call) -> tuple[list[dict[str, Any]], bool]:
    """Records and allOrNone of a collection. Raises: TopError."""
    given = call.json()
    records = given.get("records") if isinstance(given, dict) else None
    if not isinstance(records, list) or not records:
        raise TopError(400, "REQUIRED_FIELD_MISSING", "records is required")
    if len(records) > COLLECTION_LIMIT:
        raise TopError(
            400,
            "EXCEEDED_MAX_SIZE_REQUEST",
            f"The request exceeded the maximum of {COLLECTION_LIMIT} records",
        )
    if given.get("allOrNone"):
        raise TopError(
            501, "NOT_EMULATED", "the sandbox emulates collections with allOrNone: false"
        )
    return records, False


def row_error(error: RowError | TopError) -> dict[str, Any]:
    """A failed row of a collection."""
    told: dict[str, Any] = {
        "statusCode": error.code,
        "message": error.message,
        "fields": error.fields or [],
    }
    if isinstance(error, Duplicate):
        records = [
            {
                "matchConfidence": 100.0,
                "record": {"attributes": {"type": "Contact"}, "Id": error.record_id},
            }
        ]
        told["duplicateResult"] = {
            "allowSave": True,
            "matchResults": [{"entityType": "Contact", "matchRecords": records}],
        }
    return {"success": False, "errors": [told]}


class Duplicate(RowError):
    """A row that a duplicate rule of the org warns of."""

    def __init__(self, record_id: str) -> None:
        super().__init__("DUPLICATES_DETECTED", "Use one of these records?")
        self.record_id = record_id


def check_duplicate(
    api: Salesforce,
    call: Call,
    org: Org,
    sobject: str,
    one: dict[str, Any],
    row: dict[str, Any] | None,
) -> None:
    """The standard rule for new contacts, where it is on: somebody has that first name, last name and phone. Raises: Duplicate."""
    if (
        not api.duplicate_rules
        or sobject != "Contact"
        or row is not None
        or "allowSave=true" in call.headers.get(DUPLICATE_HEADER, "")
    ):
        return
    names = ("FirstName", "LastName", "Phone")
    for other in org.rows[sobject].values():
        if one.get("Phone") and all(one.get(name) == other.get(name) for name in names):
            raise Duplicate(str(other["Id"]))


def check_lock(api: Salesforce, number: int) -> None:
    """While a `locked_rows` fault strikes, every third row's parent is held by somebody else. Raises: RowError."""
    if api.locking and number % 3 == 0:
        raise RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")


@route("PATCH", "/composite/sobjects/{sobject}/{name}")
def upsert_collection(api: Salesforce, call: Call, org: Org, sobject: str, name: str) -> Reply:
    """Create or update up to 200 rows by external id; results in the order of the request."""
    records, _ = collection(call)
    if name not in org.visible(known_object(org, sobject)):
        raise TopError(
            400,
            "INVALID_FIELD",
            f"Field name provided, {name} is not an External ID or indexed field for {sobject}",
        )
    values = [str(one.get(name, "")).lower() for one in records]
    results = []
    for number, (one, value) in enumerate(zip(records, values, strict=True)):
        try:
            check_lock(api, number)
            if not value:
                raise RowError("MISSING_ARGUMENT", f"{name} not specified", [name])
            if values.count(value) > 1:
                raise RowError(
                    "DUPLICATE_VALUE", f"Duplicate external id specified: {one[name]}", [name]
                )
            row = by_external_id(org, sobject, name, str(one[name]))
            check_duplicate(api, call, org, sobject, one, row)
            written = org.write(sobject, row, org.check(sobject, one, row))
            results.append(
                {"id": written["Id"], "success": True, "errors": [], "created": row is None}
            )
        except (RowError, TopError) as error:
            results.append(row_error(error))
    return Reply(200, results)


@route("PATCH", "/composite/sobjects")
def update_collection(api: Salesforce, call: Call, org: Org) -> Reply:
    """Update up to 200 rows by id."""
    results: list[dict[str, Any]] = []
    for number, one in enumerate(collection(call)[0]):
        sobject = (one.get("attributes") or {}).get("type", "")
        row_id = one.get("id") or one.get("Id") or ""
        try:
            check_lock(api, number)
            row = org.rows[known_object(org, sobject)].get(row_id)
            if row is None:
                raise RowError("ENTITY_IS_DELETED", "entity is deleted")
            org.write(sobject, row, org.check(sobject, one, row))
            results.append({"id": row_id, "success": True, "errors": []})
        except (RowError, TopError) as error:
            results.append({"id": row_id, **row_error(error)})
    return Reply(200, results)


@route("POST", "/composite/sobjects")
def create_collection(api: Salesforce, call: Call, org: Org) -> Reply:
    """Create up to 200 rows."""
    results: list[dict[str, Any]] = []
    for one in collection(call)[0]:
        sobject = (one.get("attributes") or {}).get("type", "")
        try:
            row = org.write(sobject, None, org.check(known_object(org, sobject), one, None))
            results.append({"id": row["Id"], "success": True, "errors": []})
        except (RowError, TopError) as error:
            results.append(row_error(error))
    return Reply(200, results)


@route("GET", "/query")
def query(api: Salesforce, call: Call, org: Org) -> Reply:
    """SOQL, in pages of 2,000."""
    parsed = parse(call.query.get("q", ""))
    rows = run_query(org, parsed)
    if not parsed.fields:
        return Reply(200, {"totalSize": len(rows), "done": True, "records": []}, rows=0)
    return query_page(call.query["q"], rows, 0)


@route("GET", "/query/{locator}")
def query_more(api: Salesforce, call: Call, org: Org, locator: str) -> Reply:
    """The next page."""
    start, _, text = base64.urlsafe_b64decode(locator).decode().partition("|")
    return query_page(text, run_query(org, parse(text)), int(start))


def query_page(text: str, rows: list[dict[str, Any]], start: int) -> Reply:
    """A page, and where the next one is."""
    page = rows[start : start + QUERY_PAGE]
    body: dict[str, Any] = {
        "totalSize": len(rows),
        "done": start + QUERY_PAGE >= len(rows),
        "records": page,
    }
    if not body["done"]:
        locator = base64.urlsafe_b64encode(f"{start + QUERY_PAGE}|{text}".encode()).decode()
        body["nextRecordsUrl"] = f"/services/data/v67.0/query/{locator}"
    return Reply(200, body, rows=len(page))


@route("POST", "/composite")
def composite(api: Salesforce, call: Call, org: Org) -> Reply:
    """Up to 25 subrequests, at most 5 of them queries or collections."""
    given = call.json() or {}
    wanted_parts = given.get("compositeRequest") or []
    if not 0 < len(wanted_parts) <= COMPOSITE_LIMIT:
        raise TopError(
            400, "LIMIT_EXCEEDED", f"A composite holds 1 to {COMPOSITE_LIMIT} subrequests"
        )
    heavy = [
        one
        for one in wanted_parts
        if re.search(r"/query|/composite/sobjects|/sobjects/\w+/describe", one["url"])
    ]
    if len(heavy) > COMPOSITE_QUERY_LIMIT:
        raise TopError(
            400,
            "LIMIT_EXCEEDED",
            f"A composite holds at most {COMPOSITE_QUERY_LIMIT} query or collection subrequests",
        )
    answers, rows = [], 0
    for one in wanted_parts:
        reply = subrequest(api, call, org, one)
        rows += reply.rows or 0
        answers.append(
            {
                "body": reply.body,
                "httpHeaders": {},
                "httpStatusCode": reply.status,
                "referenceId": one.get("referenceId"),
            }
        )
    read_only = all(one.get("method") == "GET" for one in wanted_parts)
    return Reply(200, {"compositeResponse": answers}, rows=rows if read_only else None)


def subrequest(api: Salesforce, call: Call, org: Org, one: dict[str, Any]) -> Reply:
    """One part of a composite; its error is its own."""
    parts = urlsplit(one["url"])
    query_values = {key: values[0] for key, values in parse_qs(parts.query).items()}
    path = parts.path[parts.path.index("/services") :] if "/services" in parts.path else parts.path
    body = json.dumps(one["body"]).encode() if one.get("body") is not None else b""
    inner = Call(one["method"], unquote(path), query_values, call.headers, body, call.base_url)
    match = PATH.match(inner.path)
    found = api.router.find(inner.method, (match.group(2) or "/") if match else inner.path)
    if found is None:
        return top(TopError(404, "NOT_FOUND", "The requested resource does not exist"))
    try:
        return found[0](api, inner, org, **found[1])
    except MalformedQuery as error:
        return top(TopError(400, "MALFORMED_QUERY", str(error)))
    except RowError as error:
        return top(TopError(error.status, error.code, error.message, error.fields))
    except TopError as error:
        return top(error)
