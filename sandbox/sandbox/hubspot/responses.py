"""HubSpot's response bodies: records, batches, pages, associations, custom objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.http import Reply
from sandbox.hubspot.association_types import AssociationType
from sandbox.hubspot.state import End, Portal, Record

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


def default_link(from_id: str, to_id: str, known: AssociationType) -> dict[str, Any]:
    """A new link of the default type."""
    spec = {"associationCategory": known.category, "associationTypeId": known.id}
    return {"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec}


def typed_link(
    portal: Portal, start: End, end: End, types: Iterable[AssociationType]
) -> dict[str, Any]:
    """A new link whose types were given."""
    return {
        "fromObjectTypeId": portal.type_id(start[0]),
        "fromObjectId": start[1],
        "toObjectTypeId": portal.type_id(end[0]),
        "toObjectId": end[1],
        "labels": [known.label for known in types if known.label is not None],
    }


def link_ends(portal: Portal, kind: str, record_id: str, to_kind: str) -> list[dict[str, Any]]:
    """The records of an object that a record is linked with, as v4 shows them."""
    types: dict[str, list[dict[str, Any]]] = {}
    for link in portal.links(kind, record_id):
        if link["object"] == to_kind:
            body = {"category": link["category"], "typeId": link["type"], "label": link["label"]}
            types.setdefault(link["id"], []).append(body)
    return [{"toObjectId": to_id, "associationTypes": known} for to_id, known in types.items()]


def schema_body(portal: Portal, name: str) -> dict[str, Any]:
    """A custom object."""
    return {
        **portal.schemas[name],
        "properties": list(portal.properties[name].values()),
        "associations": [
            association_definition(portal, (kind, to_kind), known)
            for (kind, to_kind), types in portal.association_types.pairs.items()
            for known in types.values()
            if kind == name and known.label is None
        ],
        "archived": False,
    }


def association_definition(
    portal: Portal, pair: tuple[str, str], known: AssociationType
) -> dict[str, Any]:
    """An association type, as the schemas API shows it."""
    return {
        "id": str(known.id),
        "fromObjectTypeId": portal.type_id(pair[0]),
        "toObjectTypeId": portal.type_id(pair[1]),
        "name": f"{pair[0]}_to_{pair[1]}",
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
