"""Salesforce's recycle bin: what was deleted or lost a merge, and how it comes back.

Source: SOAP API developer guide, merge(), queryAll(), undelete(); Apex developer guide, Triggers
and Merge Statements; Salesforce Help, Lookup relationships (the lookup is cleared when the record
is deleted), read 2026-11-29.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.salesforce.errors import RowError
from sandbox.salesforce.state import Deleted, Org, Row

CONTENT = ("ContentVersion", "ContentDocumentLink")
"""What goes with its document.
Source: Object Reference, ContentDocument, read 2026-11-30."""
ROLE = "OpportunityContactRole"
"""What goes with its contact."""


def delete(org: Org, sobject: str, row: Row) -> None:
    """Move a row into the bin, which clears the lookups to it."""
    org.take_out(sobject, row)
    for part in CONTENT if sobject == "ContentDocument" else ():
        for other in [*org.rows[part].values()]:
            if other["ContentDocumentId"] == row["Id"]:
                org.take_out(part, other)
    put(org, sobject, row, redirect(org, sobject, row["Id"], None))
    for role in [row for row in org.rows[ROLE].values() if row["ContactId"] is None]:
        org.take_out(ROLE, role)
        org.deleted[sobject, row["Id"]].roles.append(role)


def merge(org: Org, sobject: str, master: Row, loser: Row) -> None:
    """Merge a row into another, whose values stand; it takes over what is related to the loser.

    Raises: RowError.
    """
    if "MasterRecordId" not in org.objects[sobject]:
        raise RowError("INVALID_OPERATION", f"{sobject} cannot be merged")
    org.take_out(sobject, loser)
    redirect(org, sobject, loser["Id"], master["Id"])
    loser["MasterRecordId"] = master["Id"]
    put(org, sobject, loser, [])
    org.write(sobject, master, {})


def undelete(org: Org, sobject: str, row_id: str) -> None:
    """Bring a row back, with the lookups to it; what lost a merge does not come back.

    Raises: RowError.
    """
    deleted = org.deleted.get((sobject, row_id))
    if deleted is None or deleted.row.get("MasterRecordId"):
        raise RowError("UNDELETE_FAILED", "Entity is not in the recycle bin")
    del org.deleted[sobject, row_id]
    org.put_back(sobject, deleted.row)
    deleted.row["IsDeleted"] = False
    for role in deleted.roles:
        org.put_back(ROLE, role)
    for other, name in deleted.cleared:
        other[name] = other[name] or row_id


def purge(org: Org, sobject: str, row_id: str) -> None:
    """Forget a row for good, as happens by itself after 15 days."""
    del org.deleted[sobject, row_id]


def empty(org: Org, row_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Forget rows for good; the result of each, in order.

    Source: SOAP API developer guide, emptyRecycleBin(), EmptyRecycleBinResult, read 2026-11-30.
    """
    results: list[dict[str, Any]] = []
    for row_id in row_ids:
        found = [key for key in org.deleted if key[1] == row_id]
        if found:
            del org.deleted[found[0]]
            results.append({"id": row_id, "success": True})
        else:
            error = {"message": "invalid record id", "statusCode": "INVALID_ID_FIELD"}
            results.append({"errors": error, "id": row_id, "success": False})
    return results


def put(org: Org, sobject: str, row: Row, cleared: list[tuple[Row, str]]) -> None:
    """Keep a row in the bin."""
    row["IsDeleted"] = True
    org.deleted[sobject, row["Id"]] = Deleted(row, cleared, [])


def redirect(org: Org, sobject: str, row_id: str, to_id: str | None) -> list[tuple[Row, str]]:
    """Let the lookups to a row lead elsewhere, or be empty; returns them."""
    changed = []
    for holder, fields in org.objects.items():
        lookups = [name for name, field in fields.items() if sobject in field["referenceTo"]]
        for other in org.rows[holder].values() if lookups else ():
            for name in lookups:
                if other.get(name) == row_id:
                    other[name] = to_id
                    changed.append((other, name))
    return changed


def rows(org: Org, sobject: str) -> list[Row]:
    """The deleted rows of an object, as `queryAll` finds them."""
    return [deleted.row for (kind, _), deleted in org.deleted.items() if kind == sobject]


def no_such_row(org: Org, sobject: str, row_id: str) -> RowError:
    """The error for a write to a row that was deleted, or that the org no longer knows.

    Source: StatusCode of the metadata WSDL v63.
    """
    if (sobject, row_id) in org.deleted:
        return RowError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    return RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404)
