"""The calls of API v2 that all its records share."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import KINDS, LISTED_BY
from sandbox.pipedrive.errors import RefusedError, invalid, not_found
from sandbox.pipedrive.responses import only, page_of, page_reply, record_body, success
from sandbox.pipedrive.state import Company, Record

IDS_LIMIT = 100
CREATED = {"products": 201}
"""Status of a create where the specification has another than 200."""
PARENTS = ("person_id", "deal_id", "org_id", "lead_id", "organization_id")
"""Parameters that name what the listed records are linked to."""


def body_of(call: Call) -> dict[str, Any]:
    """The JSON object of a write.

    Raises: RefusedError.
    """
    body = call.json()
    if not isinstance(body, dict):
        raise invalid("the body is an object")
    return body


def record_of(company: Company, kind: str, number: str) -> Record:
    """The record a path names.

    Raises: RefusedError.
    """
    record = company.living(kind, number)
    if record is None:
        raise not_found(KINDS[kind])
    return record


def list_live(call: Call, company: Company, kind: str) -> Reply:
    """A page of records, by ids or since a change where asked."""
    return listing(call, company, kind, company.live(kind))


def list_archived(call: Call, company: Company, kind: str) -> Reply:
    """A page of archived deals."""
    archived = [
        record
        for record in company.records[kind].values()
        if record["is_archived"] and not record["is_deleted"]
    ]
    return listing(call, company, kind, archived)


def listing(call: Call, company: Company, kind: str, records: list[Record]) -> Reply:
    """The page of these records that a call asks for.

    Raises: RefusedError.
    """
    only(call, LISTED_BY[kind])
    if call.query.get("ids"):
        ids = call.query["ids"].split(",")
        if len(ids) > IDS_LIMIT:
            raise invalid(f"at most {IDS_LIMIT} ids")
        records = [record for record in records if str(record["id"]) in ids]
    records = narrowed(call, records)
    shown, cursor = page_of(call, records)
    return page_reply([record_body(company, kind, record) for record in shown], cursor)


def narrowed(call: Call, records: list[Record]) -> list[Record]:
    """Those of the records that changed since a moment, or belong to a record, where asked."""
    if call.query.get("updated_since"):
        since = call.query["updated_since"]
        records = [record for record in records if record["update_time"] >= since]
    for name in PARENTS:
        if call.query.get(name):
            parent = call.query[name]
            records = [record for record in records if str(record.get(name)) == parent]
    return records


def create(call: Call, company: Company, kind: str) -> Reply:
    """Create one."""
    values = body_of(call)
    company.check(kind, values, creating=True)
    record = company.write(kind, None, values)
    return success(record_body(company, kind, record), status=CREATED.get(kind, 200))


def get(call: Call, company: Company, kind: str, number: str) -> Reply:
    """Read one."""
    return success(record_body(company, kind, record_of(company, kind, number)), rows=1)


def update(call: Call, company: Company, kind: str, number: str) -> Reply:
    """Update one; archived deals cannot be."""
    record = record_of(company, kind, number)
    if record.get("is_archived"):
        raise RefusedError("Archived deals cannot be edited", 400)

    values = body_of(call)
    company.check(kind, values, creating=False)
    return success(record_body(company, kind, company.write(kind, record, values)))


def delete(call: Call, company: Company, kind: str, number: str) -> Reply:
    """Delete one, softly."""
    record = record_of(company, kind, number)
    record["is_deleted"] = True
    return success({"id": record["id"]})
