"""Writing up to 200 rows in one call: an upsert by external ID, or an update by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import RowError
from reverse_etl.records import Write
from reverse_etl.values import Value

from target_salesforce.api import Request, SalesforceApi
from target_salesforce.errors import rejected, row_result
from target_salesforce.fields import Fields, to_wire

ALLOW_DUPLICATES = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""Saves a row that a duplicate rule only warns of.
Source: Salesforce REST API guide, headers, read 2026-11-23."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records of one org."""

    api: SalesforceApi
    fields: Fields
    allow_duplicates: bool

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """A result for each write, in order. Raises: BatchRejectedError, CrmError."""
        creating = writes[0].kind == "create"
        path = "/composite/sobjects"
        relationships = self.fields.relationships.get(object_name, {})
        records = [row_of(object_name, write, relationships) for write in writes]
        if creating:
            path += f"/{object_name}/{key_field}"

        request = Request(
            "PATCH",
            path,
            Purpose(object_name, "write"),
            json={"allOrNone": False, "records": records},
            headers=ALLOW_DUPLICATES if self.allow_duplicates else {},
        )
        answer = self.api.call(request)
        if not answer.ok:
            raise rejected(answer)
        return results_of(answer.body, len(writes))


def results_of(body: Any, count: int) -> list[RowResult]:
    """The results of a collection, which come in the order of its rows. Raises: CrmError."""
    if isinstance(body, list) and len(body) == count:
        return [row_result(item) for item in body]

    # With fewer results than rows, nothing says which result belongs to which row. Upserts and
    # updates may be repeated, so all rows are sent again.
    missing = RowError(
        "no_verdict", "Salesforce's answer has no result for this row", "sync it again"
    )
    return [RowResult(fault=missing, again=True)] * count


def row_of(object_name: str, write: Write, relationships: Mapping[str, str]) -> dict[str, Any]:
    """A row of a collection."""
    row: dict[str, Any] = {"attributes": {"type": object_name}}
    if write.kind == "update":
        row["id"] = write.crm_id
    for name, value in fields_by_key(write, relationships).items():
        relationship, _, key = name.partition(".")
        row[relationship] = {key: value} if key else to_wire(value)
    return row


def fields_by_key(write: Write, relationships: Mapping[str, str]) -> dict[str, Value]:
    """A write's fields, with lookups by the other record's external ID where it has one.

    `Contact__r.Key__c` stays true even if the other record is created again with a new id.
    """
    fields = dict(write.fields)
    for link in write.record.links:
        form = link.form
        relationship = relationships.get(form.field)
        if relationship and form.key_field and fields.get(form.field) is not None:
            del fields[form.field]
            fields[f"{relationship}.{form.key_field}"] = link.to_key
    return fields
