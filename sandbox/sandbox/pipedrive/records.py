"""The calls that persons and deals share."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.pipedrive.errors import RefusedError, invalid, not_found
from sandbox.pipedrive.fixtures import KINDS
from sandbox.pipedrive.responses import page_of, page_reply, record_body, success
from sandbox.pipedrive.state import Company, Record

IDS_LIMIT = 100


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
    record = company.records[kind].get(int(number)) if number.isdigit() else None
    if record is None or record["is_deleted"]:
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
    if call.query.get("ids"):
        ids = call.query["ids"].split(",")
        if len(ids) > IDS_LIMIT:
            raise invalid(f"at most {IDS_LIMIT} ids")
        records = [record for record in records if str(record["id"]) in ids]
    if call.query.get("updated_since"):
        since = call.query["updated_since"]
        records = [record for record in records if record["update_time"] >= since]

    shown, cursor = page_of(call, records)
    return page_reply([record_body(company, kind, record) for record in shown], cursor)


def create(call: Call, company: Company, kind: str) -> Reply:
    """Create one."""
    values = body_of(call)
    company.check(kind, values, creating=True)
    return success(record_body(company, kind, company.write(kind, None, values)))


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
