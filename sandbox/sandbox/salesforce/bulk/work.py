"""Writing the rows of an ingest job, each with its own result."""

from __future__ import annotations

from typing import Any

from sandbox.salesforce import recycle_bin
from sandbox.salesforce.bulk.jobs import Job
from sandbox.salesforce.collections import live_row, locked
from sandbox.salesforce.errors import CallError, RowError
from sandbox.salesforce.fields import Fields, by_relationship
from sandbox.salesforce.sobjects import by_external_id, known_object
from sandbox.salesforce.state import Org, Row
from sandbox.salesforce.values import NUMBER_TYPES

INTERNAL_BATCH = 10_000
"""Rows that Salesforce works on in one piece; pieces run at the same time."""
NULL = "#N/A"
XSD_TYPES = {
    "double": "double",
    "currency": "double",
    "percent": "double",
    "int": "int",
    "date": "date",
    "datetime": "dateTime",
}
"""The types of numbers and times as the errors of unreadable cells spell them."""


def work(job: Job, org: Org) -> None:
    """Write a job's rows, and end the job."""
    fields = org.visible(job.wanted["object"])
    for name in job.columns:
        if name not in fields and relation_of(fields, name) is None and name != "Id":
            job.fail(f"InvalidBatch : Field name not found : {name}")
            return

    locks = locked_rows(job, fields) if org.row_faults.locked else set()
    keys: set[str] = set()
    for place, row in enumerate(job.rows):
        if place == org.row_faults.job_rows:
            job.fail("InternalServerError : Batch failed")
            job.unprocessed = job.rows[place:]
            return
        if place % INTERNAL_BATCH == 0:
            # A key that comes twice is noticed within a piece only.
            keys = set()
        with_fault = unreadable(fields, row) if place in org.row_faults.unreadable else None
        with_fault = locked() if place in locks else with_fault
        work_row(job, org, row, keys, with_fault)
    job.state = "JobComplete"


def work_row(
    job: Job, org: Org, row: dict[str, str], keys: set[str], with_fault: RowError | None
) -> None:
    """Write a row, and keep its result."""
    try:
        if with_fault is not None:
            raise with_fault
        row_id, created = write_row(job, org, row, keys)
    except (RowError, CallError) as error:
        names = ",".join(error.fields)
        job.failed.append((row.get("Id", ""), f"{error.code}:{error.message}:{names} --", row))
    else:
        job.done.append((row_id, created, row))


def write_row(job: Job, org: Org, row: dict[str, str], keys: set[str]) -> tuple[str, bool]:
    """The id of a row, and True if it was created.

    Raises: RowError, CallError.
    """
    sobject, operation = job.wanted["object"], job.wanted["operation"]
    fields = org.visible(sobject)
    values = {
        name: typed(fields, name, cell, column)
        for column, (name, cell) in enumerate(row.items())
        if cell != "" and name != "Id"
    }
    target = target_row(job, org, row, keys)
    if operation in ("delete", "hardDelete"):
        assert target is not None
        recycle_bin.delete(org, sobject, target)
        return str(target["Id"]), False

    written = org.write(sobject, target, org.check(sobject, values, target))
    return str(written["Id"]), target is None


def target_row(job: Job, org: Org, row: dict[str, str], keys: set[str]) -> Row | None:
    """The row to update or delete, None for a row to create.

    Raises: RowError, CallError.
    """
    sobject, operation = job.wanted["object"], job.wanted["operation"]
    key = str(job.wanted.get("externalIdFieldName"))
    if operation == "insert":
        return None
    if operation != "upsert" or key == "Id":
        return live_row(org, known_object(org, sobject), row.get("Id", ""))

    value = row.get(key, "")
    if not value:
        raise RowError("MISSING_ARGUMENT", f"{key} not specified", [key])
    compared = org.compared(sobject, key, value)
    if compared in keys:
        raise RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [key])
    keys.add(compared)
    return by_external_id(org, sobject, key, value)


def typed(fields: Fields, name: str, cell: str, column: int) -> Any:
    """A cell as JSON would hold it; #N/A is null, and a relationship's external id an object.

    Raises: RowError.
    """
    if cell == NULL:
        return None
    if name not in fields:
        return {name.partition(".")[2]: cell}

    kind = fields[name]["type"]
    if kind in NUMBER_TYPES:
        try:
            return float(cell)
        except ValueError:
            raise not_read(column, name, kind, cell) from None
    if kind == "boolean" and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return cell


def unreadable(fields: Fields, row: dict[str, str]) -> RowError:
    """The error for a row of which a number or a time cannot be read."""
    columns = [name for name in row if name in fields and fields[name]["type"] in XSD_TYPES]
    name = columns[0]
    return not_read(list(row).index(name), name, fields[name]["type"], "no value")


def not_read(column: int, name: str, kind: str, cell: str) -> RowError:
    """The error for a cell that does not fit the type of its column.

    Source: recorded answers in Snowfakery issue 793, read 2026-11-29.
    """
    message = (
        f"Failed to deserialize field at col {column}. "
        f"Due to, '{cell}' is not a valid value for the type xsd:{XSD_TYPES[kind]}"
    )
    return RowError("INVALID_FIELD", message, [name])


def relation_of(fields: Fields, column: str) -> dict[str, Any] | None:
    """The look-up of a column such as `Contact__r.Key__c`."""
    name, dot, _ = column.partition(".")
    return by_relationship(fields, name) if dot else None


def locked_rows(job: Job, fields: Fields) -> set[int]:
    """Places of rows whose parent another piece of the job writes to at the same time.

    The first piece to come to a parent has the lock.
    """
    parents = [
        name
        for name in job.columns
        if relation_of(fields, name) or (name in fields and fields[name]["referenceTo"])
    ]
    piece_rows = max(1, min(INTERNAL_BATCH, len(job.rows) // 4))

    holders: dict[str, int] = {}
    places = set()
    for place, row in enumerate(job.rows):
        piece = place // piece_rows
        for name in parents:
            if row.get(name) and holders.setdefault(row[name], piece) != piece:
                places.add(place)
    return places
