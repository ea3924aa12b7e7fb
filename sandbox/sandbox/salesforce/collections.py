"""Salesforce's sObject collections: up to 200 rows in a call, each with its own result."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.salesforce.errors import (
    CallError,
    DuplicateError,
    RowError,
    not_an_external_id,
    row_error,
)
from sandbox.salesforce.recycle_bin import no_such_row
from sandbox.salesforce.responses import result, row_body
from sandbox.salesforce.sobjects import by_external_id, known_object
from sandbox.salesforce.state import Org, Row

COLLECTION_LIMIT = 200
"""Rows of a collection. Source: Salesforce REST guide, sObject Collections, 2026-11."""

RETRIEVE_LIMIT = 2000
"""Rows of a collection that is read. Source: as above."""

DUPLICATE_HEADER = "Sforce-Duplicate-Rule-Header"
DUPLICATE_FIELDS = ("FirstName", "LastName", "Phone")


def records_of(call: Call) -> list[dict[str, Any]]:
    """The records of a collection.

    Raises: CallError.
    """
    body = call.json()
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not records:
        raise CallError(400, "REQUIRED_FIELD_MISSING", "records is required")
    if len(records) > COLLECTION_LIMIT:
        message = f"The request exceeded the maximum of {COLLECTION_LIMIT} records"
        raise CallError(400, "EXCEEDED_MAX_SIZE_REQUEST", message)
    if body.get("allOrNone"):
        message = "the sandbox emulates collections with allOrNone: false"
        raise CallError(501, "NOT_EMULATED", message)
    return records


def upsert(call: Call, org: Org, sobject: str, name: str) -> Reply:
    """Create or update up to 200 rows by external id; results in the order of the request."""
    records = records_of(call)
    if name not in org.visible(known_object(org, sobject)):
        raise CallError(400, "INVALID_FIELD", not_an_external_id(name, sobject))

    keys = [org.compared(sobject, name, str(record.get(name, ""))) for record in records]
    results = []
    for place, (record, key) in enumerate(zip(records, keys, strict=True)):
        try:
            check_lock(org, place)
            check_key(name, record, keys, key)
            row = by_external_id(org, sobject, name, str(record[name]))
            if row is None:
                check_duplicate(call, org, sobject, record)
            written = org.write(sobject, row, org.check(sobject, record, row))
            results.append(result(written["Id"], created=row is None))
        except (RowError, CallError) as error:
            results.append(row_error(error))
    return Reply(200, results)


def check_key(name: str, record: dict[str, Any], keys: list[str], key: str) -> None:
    """Check that a record has a key of its own.

    Raises: RowError.
    """
    if not key:
        raise RowError("MISSING_ARGUMENT", f"{name} not specified", [name])
    if keys.count(key) > 1:
        message = f"Duplicate external id specified: {record[name]}"
        raise RowError("DUPLICATE_VALUE", message, [name])


def check_lock(org: Org, place: int) -> None:
    """While a `locked_rows` fault strikes, every third row's parent is locked by another user.

    Raises: RowError.
    """
    if org.row_faults.locked and place % 3 == 0:
        raise locked()


def locked() -> RowError:
    """The error for a row whose parent is locked by another user."""
    message = "unable to obtain exclusive access to this record"
    return RowError("UNABLE_TO_LOCK_ROW", message)


def check_duplicate(call: Call, org: Org, sobject: str, record: dict[str, Any]) -> None:
    """The standard rule for new contacts, if it is on: first name, last name and phone.

    Raises: DuplicateError.
    """
    allowed = "allowSave=true" in call.headers.get(DUPLICATE_HEADER, "")
    if not org.switches["duplicate_rules"] or sobject != "Contact" or allowed:
        return

    for other in org.rows[sobject].values():
        same = all(record.get(name) == other.get(name) for name in DUPLICATE_FIELDS)
        if record.get("Phone") and same:
            raise DuplicateError(str(other["Id"]))


def update(call: Call, org: Org) -> Reply:
    """Update up to 200 rows by id."""
    results: list[dict[str, Any]] = []
    for place, record in enumerate(records_of(call)):
        row_id = record.get("id") or record.get("Id") or ""
        try:
            check_lock(org, place)
            sobject = known_object(org, type_of(record))
            row = live_row(org, sobject, row_id)
            org.write(sobject, row, org.check(sobject, record, row))
            results.append(result(row_id))
        except (RowError, CallError) as error:
            results.append({"id": row_id, **row_error(error)})
    return Reply(200, results)


def retrieve(call: Call, org: Org, sobject: str) -> Reply:
    """Up to 2,000 rows by id, in the order of the request; null for one that is not live.

    Source: Salesforce REST guide, Get Records Using sObject Collections with a Request Body,
    read 2026-11-29.
    """
    body = call.json()
    ids, names = (body.get("ids"), body.get("fields")) if isinstance(body, dict) else (None, None)
    if not ids or not names:
        raise CallError(400, "MISSING_ARGUMENT", "ids and fields are required")
    if len(ids) > RETRIEVE_LIMIT:
        message = f"The request exceeded the maximum of {RETRIEVE_LIMIT} records"
        raise CallError(400, "EXCEEDED_MAX_SIZE_REQUEST", message)
    visible = org.visible(known_object(org, sobject))
    for name in names:
        if name not in visible:
            raise CallError(400, "INVALID_FIELD", f"No such column '{name}' on entity '{sobject}'.")
    rows = [org.rows[sobject].get(row_id) for row_id in ids]
    found = [row_body(sobject, row, names) if row else None for row in rows]
    return Reply(200, found, rows=len(ids))


def type_of(record: dict[str, Any]) -> str:
    """The object a record says it belongs to."""
    sobject: str = (record.get("attributes") or {}).get("type", "")
    return sobject


def live_row(org: Org, sobject: str, row_id: str) -> Row:
    """The row of that id.

    Raises: RowError.
    """
    row = org.rows[sobject].get(row_id)
    if row is None:
        raise no_such_row(org, sobject, row_id)
    return row


def create(call: Call, org: Org) -> Reply:
    """Create up to 200 rows."""
    results: list[dict[str, Any]] = []
    for record in records_of(call):
        try:
            sobject = known_object(org, type_of(record))
            row = org.write(sobject, None, org.check(sobject, record, None))
            results.append(result(row["Id"]))
        except (RowError, CallError) as error:
            results.append(row_error(error))
    return Reply(200, results)
