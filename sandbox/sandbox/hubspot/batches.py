"""HubSpot's batch calls on objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.errors import RefusedError, invalid, not_found, row_error
from sandbox.hubspot.object_types import shown_name
from sandbox.hubspot.responses import batch_reply, record_body
from sandbox.hubspot.state import Portal, Record

BATCH_LIMIT = 100
"""Inputs of an object batch. Source: HubSpot, Using object APIs, 2026-11."""


def inputs_of(call: Call, limit: int = BATCH_LIMIT) -> list[dict[str, Any]]:
    """The inputs of a batch.

    Raises: RefusedError.
    """
    body = call.json()
    inputs = body.get("inputs") if isinstance(body, dict) else None
    rows = isinstance(inputs, list) and all(isinstance(row, dict) for row in inputs)
    if not inputs or not rows:
        raise invalid("Invalid input JSON: inputs is required")
    if len(inputs) > limit:
        raise invalid(f"The number of inputs {len(inputs)} exceeds the limit of {limit}")
    return list(inputs)


def upsert(call: Call, portal: Portal, kind: str) -> Reply:
    """Create or update by a unique property."""
    return write_batch(call, portal, kind, "upsert")


def create(call: Call, portal: Portal, kind: str) -> Reply:
    """Create."""
    return write_batch(call, portal, kind, "create", status=201)


def update(call: Call, portal: Portal, kind: str) -> Reply:
    """Update by id."""
    return write_batch(call, portal, kind, "update")


def archive(call: Call, portal: Portal, kind: str) -> Reply:
    """Into the recycle bin."""
    for row in inputs_of(call):
        record = portal.find(kind, str(row.get("id")))
        if record:
            portal.archive(kind, record)
    return Reply(204)


def read(call: Call, portal: Portal, kind: str) -> Reply:
    """Read by id or unique property; missing ids are errors beside the results."""
    inputs = inputs_of(call)
    body = call.json()
    id_property = body.get("idProperty")
    if id_property:
        portal.check_id_property(kind, id_property)

    results, missing = [], []
    for row in inputs:
        record = portal.find(kind, str(row.get("id", "")), id_property)
        if record is None:
            missing.append(str(row.get("id", "")))
        else:
            results.append(record_body(record, body.get("properties") or []))

    errors = []
    if missing:
        # Source: community.hubspot.com, Question about using batch read API, read 2026-11-29.
        message = (
            f"Could not get some {shown_name(kind)} objects, they may be deleted or not exist. "
            "Check that ids are valid."
        )
        errors.append(row_error(not_found(message), {"ids": missing}))
    return batch_reply(portal, results, errors)


@dataclass(slots=True)
class PlannedRow:
    """An input of a batch, the record it means, and the values to write."""

    row: dict[str, Any]
    record: Record | None
    values: dict[str, Any]


@dataclass(slots=True)
class BatchWrite:
    """A batch of creates, updates or upserts.

    If `apart` is set, a refused row is an error beside the results. Otherwise it refuses the batch.
    """

    portal: Portal
    kind: str
    mode: str
    apart: bool
    results: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def run(self, inputs: list[dict[str, Any]]) -> None:
        """Plan every row before the first is written, as HubSpot does.

        Raises: RefusedError.
        """
        planned = []
        for row in inputs:
            try:
                planned.append(self._plan(row))
            except RefusedError as error:
                self._refuse(row, error)

        for plan in planned:
            # Checked again: a row before it in this batch may have taken its unique value.
            try:
                kept = self.portal.check(self.kind, plan.values, plan.record)
            except RefusedError as error:
                self._refuse(plan.row, error)
                continue
            self._write(plan, kept)

    def _plan(self, row: dict[str, Any]) -> PlannedRow:
        values = dict(row.get("properties") or {})
        record = None
        if self.mode != "create":
            record = self._target(row, values)
        self.portal.check(self.kind, values, record)
        return PlannedRow(row, record, values)

    def _target(self, row: dict[str, Any], values: dict[str, Any]) -> Record | None:
        """The record of an update or upsert; a new one gets the value it was looked up by."""
        id_property = row.get("idProperty")
        if self.mode == "upsert" and not id_property:
            raise invalid("idProperty is required for upsert")
        if id_property:
            self.portal.check_id_property(self.kind, id_property)

        record = self.portal.find(self.kind, str(row.get("id", "")), id_property)
        if record is None and self.mode == "update":
            raise not_found(
                f"Could not get some {self.kind} objects, "
                f"they may be deleted or not exist: {row.get('id')}"
            )
        if record is None and id_property:
            values.setdefault(id_property, str(row["id"]))
        return record

    def _refuse(self, row: dict[str, Any], error: RefusedError) -> None:
        if not self.apart:
            raise error

        trace, row_id = row["objectWriteTraceId"], str(row.get("id", ""))
        self.errors.append(row_error(error, {"objectWriteTraceId": [trace], "ids": [row_id]}))

    def _write(self, plan: PlannedRow, kept: dict[str, str]) -> None:
        written = self.portal.write(self.kind, plan.record, kept)
        result = record_body(written)
        if self.mode == "upsert":
            result["new"] = plan.record is None
        if self.apart:
            result["objectWriteTraceId"] = plan.row["objectWriteTraceId"]
        self.results.append(result)
        associate_new(self.portal, self.kind, written, plan.row.get("associations") or [])


def write_batch(call: Call, portal: Portal, kind: str, mode: str, status: int = 200) -> Reply:
    """Write rows apart where each carries its own trace id, otherwise all or nothing.

    Raises: RefusedError.
    """
    inputs = inputs_of(call)
    traces = [row.get("objectWriteTraceId") for row in inputs]
    identifiers = [(row.get("idProperty"), row.get("id")) for row in inputs]
    apart = portal.switches["trace_ids"] and all(traces) and len(set(traces)) == len(traces)
    if mode != "create" and len(set(identifiers)) < len(identifiers):
        raise invalid("Duplicate IDs found in batch input")

    batch = BatchWrite(portal, kind, mode, apart)
    batch.run(inputs)
    return batch_reply(portal, batch.results, batch.errors, status)


def associate_new(
    portal: Portal, kind: str, record: Record, associations: list[dict[str, Any]]
) -> None:
    """Link a record as its create asks for.

    Raises: RefusedError.
    """
    for link in associations:
        for spec in link["types"]:
            to_kind = portal.association_types.other_end(kind, spec)
            portal.associate((kind, record["id"]), (to_kind, str(link["to"]["id"])), spec)
