"""What batch calls share: inputs, the shape of records, and answers with errors beside results."""

from __future__ import annotations

from typing import Any

from sandbox.clock import iso
from sandbox.http import Call, Reply
from sandbox.hubspot.api import HubSpot
from sandbox.hubspot.state import RowError

BATCH_LIMIT = 100
"""Inputs of an object batch. Source: HubSpot, Using object APIs, 2026-11."""


def inputs_of(call: Call, limit: int = BATCH_LIMIT) -> list[dict[str, Any]]:
    """The inputs of a batch. Raises: RowError."""
    given = call.json()
    inputs = given.get("inputs") if isinstance(given, dict) else None
    if (
        not isinstance(inputs, list)
        or not inputs
        or not all(isinstance(one, dict) for one in inputs)
    ):
        raise RowError("VALIDATION_ERROR", "Invalid input JSON: inputs is required")
    if len(inputs) > limit:
        raise RowError(
            "VALIDATION_ERROR", f"The number of inputs {len(inputs)} exceeds the limit of {limit}"
        )
    return inputs


def shown(record: dict[str, Any], properties: list[str] | None = None) -> dict[str, Any]:
    """A record as answered, with the properties asked for and those always there."""
    own = record["properties"]
    names = (
        own
        if properties is None
        else {*properties, "hs_object_id", "createdate", "lastmodifieddate"}
    )
    return {
        "id": record["id"],
        "properties": {name: own[name] for name in names if name in own},
        "createdAt": record["createdAt"],
        "updatedAt": record["updatedAt"],
        "archived": record["archived"],
    }


def batch(
    api: HubSpot, results: list[dict[str, Any]], errors: list[dict[str, Any]], status: int = 200
) -> Reply:
    """A batch answer; 207 where some rows failed."""
    now = iso(api.clock.now(), 3)
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": now,
        "completedAt": now,
    }
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return Reply(207 if errors else status, body, rows=len(results))


def error_item(error: RowError, context: dict[str, list[str]]) -> dict[str, Any]:
    """One failed row of a 207."""
    return {
        "status": "error",
        "category": error.category,
        "message": error.message,
        "context": context,
        "links": {},
        "errors": [],
    }
