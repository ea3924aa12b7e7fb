"""Salesforce's objects and single rows."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.salesforce import recycle_bin
from sandbox.salesforce.errors import RowError, no_external_id, not_found
from sandbox.salesforce.responses import description, object_names, result, row_body
from sandbox.salesforce.state import Org, Row

SHORT_ID = 15
"""Characters of an id that are significant where case matters."""


def known_object(org: Org, sobject: str) -> str:
    """The object's name.

    Raises: CallError.
    """
    if not org.may_use(sobject):
        raise not_found()
    return sobject


def row_of(org: Org, sobject: str, row_id: str) -> Row:
    """The row a path names by 18 or 15 characters.

    Raises: CallError, RowError.
    """
    rows = org.rows[known_object(org, sobject)]
    if row_id in rows:
        return rows[row_id]

    for long_id, row in rows.items():
        if len(row_id) == SHORT_ID and long_id.startswith(row_id):
            return row
    if (sobject, row_id) in org.deleted:
        raise recycle_bin.no_such_row(org, sobject, row_id)
    raise no_external_id(row_id)


def by_external_id(org: Org, sobject: str, name: str, value: str) -> Row | None:
    """The row with that external id.

    Raises: CallError, RowError.
    """
    field = org.visible(known_object(org, sobject)).get(name)
    if field is None or not field["idLookup"]:
        raise no_external_id(name)
    if name == "Id" and value in org.rows[sobject]:
        return org.rows[sobject][value]

    rows = org.find(sobject, name, value)
    if len(rows) > 1:
        ids = [row["Id"] for row in rows]
        message = f"{name}: more than one record found for external id field: {ids}"
        raise RowError("DUPLICATE_EXTERNAL_ID", message, status=300)
    return rows[0] if rows else None


def global_describe(call: Call, org: Org) -> Reply:
    """Names of all objects."""
    names = object_names(org)
    body = {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": names}
    return Reply(200, body, rows=len(names))


def describe(call: Call, org: Org, sobject: str) -> Reply:
    """Fields that the running user sees.

    The case of the name is ignored, which no recording confirms.
    """
    sobject = next((name for name in org.objects if name.lower() == sobject.lower()), sobject)
    fields = list(org.visible(known_object(org, sobject)).values())
    return Reply(200, description(org, sobject, fields), rows=len(fields))


def create(call: Call, org: Org, sobject: str) -> Reply:
    """Create one."""
    values = call.json() or {}
    row = org.write(sobject, None, org.check(known_object(org, sobject), values, None))
    return Reply(201, result(row["Id"]))


def get(call: Call, org: Org, sobject: str, row_id: str) -> Reply:
    """Read one."""
    row = row_of(org, sobject, row_id)
    asked_for = [name for name in call.query.get("fields", "").split(",") if name]
    return Reply(200, row_body(sobject, row, asked_for or org.visible(sobject)), rows=1)


def update(call: Call, org: Org, sobject: str, row_id: str) -> Reply:
    """Update one."""
    row = row_of(org, sobject, row_id)
    org.write(sobject, row, org.check(sobject, call.json() or {}, row))
    return Reply(204)


def delete(call: Call, org: Org, sobject: str, row_id: str) -> Reply:
    """Into the recycle bin."""
    recycle_bin.delete(org, sobject, row_of(org, sobject, row_id))
    return Reply(204)


def get_by_external_id(call: Call, org: Org, sobject: str, name: str, value: str) -> Reply:
    """Read one by external id."""
    row = by_external_id(org, sobject, name, value)
    if row is None:
        raise not_found()
    return Reply(200, row_body(sobject, row, org.visible(sobject)), rows=1)


def upsert(call: Call, org: Org, sobject: str, name: str, value: str) -> Reply:
    """Create or update one by external id."""
    row = by_external_id(org, sobject, name, value)
    values = dict(call.json() or {})
    if row is None:
        values[name] = value

    created = row is None
    written = org.write(sobject, row, org.check(sobject, values, row))
    return Reply(201 if created else 200, result(written["Id"], created=created))
