"""HubSpot's response bodies: records, batches, pages, associations, custom objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.http import Reply
from sandbox.hubspot.fixtures import OBJECT_TYPES
from sandbox.hubspot.state import Portal, Record

ALWAYS_SHOWN = ("hs_object_id", "createdate", "lastmodifieddate")


def record_body(record: Record, names: Sequence[str] | None = None) -> dict[str, Any]:
    """A record with the named properties and those always shown; None shows all."""
    values = record["properties"]
    wanted = values if names is None else {*names, *ALWAYS_SHOWN}
    return {
        "id": record["id"],
        "properties": {name: values[name] for name in wanted if name in values},
        "createdAt": record["createdAt"],
        "updatedAt": record["updatedAt"],
        "archived": record["archived"],
    }


def batch_reply(
    portal: Portal,
    results: list[dict[str, Any]],
    errors: Sequence[dict[str, Any]] = (),
    status: int = 200,
) -> Reply:
    """The response to a batch; 207 if some rows failed."""
    now = portal.now()
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": now,
        "completedAt": now,
    }
    if errors:
        body |= {"numErrors": len(errors), "errors": list(errors)}
    return Reply(207 if errors else status, body, rows=len(results))


def list_reply(results: list[dict[str, Any]]) -> Reply:
    """All results at once, without paging."""
    return Reply(200, {"results": results}, rows=len(results))


def default_link(from_id: str, to_id: str, type_id: int) -> dict[str, Any]:
    """A new link of the default type."""
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
    return {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec}


def typed_link(kind: str, from_id: str, to_kind: str, to_id: str) -> dict[str, Any]:
    """A new link whose types were given."""
    return {
        "fromObjectTypeId": OBJECT_TYPES[kind],
        "fromObjectId": from_id,
        "toObjectTypeId": OBJECT_TYPES[to_kind],
        "toObjectId": to_id,
        "labels": [],
    }


def link_ends(portal: Portal, kind: str, record_id: str, to_kind: str) -> list[dict[str, Any]]:
    """The records of an object that a record is linked with, as v4 shows them."""
    return [
        {
            "toObjectId": link["id"],
            "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": link["type"]}],
        }
        for link in portal.links(kind, record_id)
        if link["object"] == to_kind
    ]


def schema_body(portal: Portal, name: str) -> dict[str, Any]:
    """A custom object."""
    return {
        **portal.schemas[name],
        "properties": list(portal.properties[name].values()),
        "associations": [],
        "archived": False,
    }


def control_rows(portal: Portal, kind: str) -> list[dict[str, Any]]:
    """Live records as the control plane shows them."""
    rows = []
    for record in portal.live(kind):
        links = portal.links(kind, record["id"])
        rows.append({"id": record["id"], "properties": record["properties"], "links": links})
    return rows


def control_files(portal: Portal) -> list[dict[str, Any]]:
    """Files as the control plane shows them."""
    return [{"id": file["id"], "properties": file, "links": []} for file in portal.files.values()]
