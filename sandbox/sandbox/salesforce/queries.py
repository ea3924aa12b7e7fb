"""Salesforce's queries."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.http import Call, Reply
from sandbox.salesforce import recycle_bin
from sandbox.salesforce.errors import CallError
from sandbox.salesforce.responses import query_page, row_body
from sandbox.salesforce.soql import Query, parse
from sandbox.salesforce.state import Org

UNQUOTED = {
    "double": "double",
    "currency": "double",
    "percent": "double",
    "int": "int",
    "boolean": "boolean",
    "date": "date",
    "datetime": "dateTime",
}
"""Types whose literals have no quotes, and what an error calls them."""


def run_query(org: Org, query: Query, *, deleted: bool = False) -> list[dict[str, Any]]:
    """The rows of a query, as answered; with `deleted`, those in the recycle bin too.

    Raises: CallError.
    """
    sobject = query.sobject
    if not org.may_use(sobject):
        raise CallError(400, "INVALID_TYPE", f"sObject type '{sobject}' is not supported.")

    visible = org.visible(sobject)
    for name in [*query.fields, *query.names]:
        if name not in visible:
            message = f"No such column '{name}' on entity '{sobject}'."
            raise CallError(400, "INVALID_FIELD", message)

    for name, quoted in query.quoted.items():
        check_literal(visible[name], quoted=quoted)

    query.exact.update(name for name in query.names if visible[name]["caseSensitive"])
    known = [*org.rows[sobject].values(), *(recycle_bin.rows(org, sobject) if deleted else ())]
    rows = [row for row in known if query.test(row)]
    if query.order_by:
        key = query.order_by
        rows.sort(key=lambda row: (row.get(key) is None, str(row.get(key))))
    return [row_body(sobject, row, query.fields) for row in rows[: query.limit]]


def check_literal(field: dict[str, Any], *, quoted: bool) -> None:
    """Check that a literal is in quotes if the field holds text, and only then.

    Source: errors of queries, as public repositories quote them.

    Raises: CallError.
    """
    name, kind = field["name"], field["type"]
    if not field["filterable"]:
        message = f"field '{name}' can not be filtered in a query call"
        raise CallError(400, "INVALID_FIELD", message)
    is_text = kind not in UNQUOTED
    if quoted != is_text:
        wanted = UNQUOTED.get(kind, "string")
        negation = "" if is_text else "not "
        message = (
            f"value of filter criterion for field '{name}' must be of type {wanted} "
            f"and should {negation}be enclosed in quotes"
        )
        raise CallError(400, "INVALID_FIELD", message)


def query(call: Call, org: Org) -> Reply:
    """SOQL, in pages of 2,000."""
    return answered(org, call.query.get("q", ""), deleted=False)


def query_all(call: Call, org: Org) -> Reply:
    """SOQL that also finds what is in the recycle bin, in pages of 2,000."""
    return answered(org, call.query.get("q", ""), deleted=True)


def answered(org: Org, text: str, *, deleted: bool) -> Reply:
    """The first page of a query's rows."""
    parsed = parse(text)
    rows = run_query(org, parsed, deleted=deleted)
    if not parsed.fields:
        return Reply(200, {"totalSize": len(rows), "done": True, "records": []}, rows=0)
    return query_page(text, rows, 0, deleted=deleted)


def query_more(call: Call, org: Org, locator: str) -> Reply:
    """The next page."""
    start, scope, text = base64.urlsafe_b64decode(locator).decode().split("|", 2)
    deleted = scope == "all"
    rows = run_query(org, parse(text), deleted=deleted)
    return query_page(text, rows, int(start), deleted=deleted)
