"""Writing up to 100 rows in one call: an upsert by a unique property, or an update by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Answer, Purpose
from reverse_etl.errors import RowError
from reverse_etl.records import Write

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, rejected, row_fault
from target_hubspot.fields import to_wire


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records of one account."""

    api: HubSpotApi

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """A result for each write, in order. Raises: BatchRejectedError, CrmError."""
        creating = writes[0].kind == "create"
        self._clear_first(object_name, writes)

        inputs = []
        for index, write in enumerate(writes):
            properties = properties_of(write)
            row: dict[str, Any] = {"id": write.crm_id, "properties": properties}
            if creating:
                row |= {"id": properties.get(key_field, write.key), "idProperty": key_field}
            inputs.append(traced(row, index))

        call = "batch/upsert" if creating else "batch/update"
        path = self.api.paths.objects(object_name, call)
        answer = self.api.post(path, Purpose(object_name, "write"), {"inputs": inputs})
        if not answer.ok:
            raise rejected(answer)
        return results_of(answer, writes, key_field)

    def _clear_first(self, object_name: str, writes: Sequence[Write]) -> None:
        """Clear properties that only move forward, so that they can be set back. Raises: CrmError.

        Source: HubSpot, Contacts guide, read 2026-11-23.
        """
        inputs = [
            {"id": write.crm_id, "properties": dict.fromkeys(write.cleared_first, "")}
            for write in writes
            if write.cleared_first
        ]
        if inputs:
            path = self.api.paths.objects(object_name, "batch/update")
            self.api.post(path, Purpose(object_name, "write"), {"inputs": inputs})


def properties_of(write: Write) -> dict[str, str]:
    """A write's fields as text."""
    return {name: to_wire(value) for name, value in write.fields.items()}


def traced(row: Mapping[str, Any], index: int) -> dict[str, Any]:
    """An input of a batch, with the id by which its result is known.

    If any input lacks one, a single bad row fails the whole batch.
    Source: HubSpot, Error handling, read 2026-11-23.
    """
    return {**row, "objectWriteTraceId": trace_id(index)}


def trace_id(index: int) -> str:
    """The trace id of the row at this position."""
    return f"row-{index}"


def results_of(answer: Answer, writes: Sequence[Write], key_field: str) -> list[RowResult]:
    """The results of a batch, in the order of its rows. Raises: CrmError.

    HubSpot documents no order. A result belongs to the row with its trace id; without one, to the
    row with its key (of a create) or its id (of an update).
    """
    missing = RowError("no_verdict", "HubSpot's answer has no result for this row", "sync it again")
    results = [RowResult(fault=missing, again=True)] * len(writes)
    places = {trace_id(index): index for index in range(len(writes))}
    places |= {name_of(write): index for index, write in enumerate(writes)}

    by_key = writes[0].kind == "create"
    for item in body_of(answer).get("results") or []:
        name = (item.get("properties") or {}).get(key_field) if by_key else item.get("id")
        place = places.get(str(item.get("objectWriteTraceId") or name))
        if place is not None:
            results[place] = RowResult(str(item["id"]))

    for item in body_of(answer).get("errors") or []:
        place = next((places[name] for name in names_in(item) if name in places), None)
        if place is not None:
            results[place] = RowResult(fault=row_fault(item))
    return results


def name_of(write: Write) -> str:
    """What a result calls a row that it does not name by trace id."""
    return write.key if write.kind == "create" else str(write.crm_id)


def names_in(error: Mapping[str, Any]) -> list[Any]:
    """What an error may call its row."""
    context = error.get("context") or {}
    return [*context.get("objectWriteTraceId", []), *context.get("ids", []), error.get("id")]
