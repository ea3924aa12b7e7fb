"""HubSpot's custom objects."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.definitions import common_properties, property_group
from sandbox.hubspot.errors import RefusedError, already_exists, invalid_json, unknown_object
from sandbox.hubspot.properties import define
from sandbox.hubspot.responses import association_definition, list_reply, schema_body
from sandbox.hubspot.state import Portal

REQUIRED = ("name", "labels", "properties", "requiredProperties", "associatedObjects")


def list_schemas(call: Call, portal: Portal) -> Reply:
    """Custom objects."""
    return list_reply([schema_body(portal, name) for name in portal.schemas])


def create_schema(call: Call, portal: Portal) -> Reply:
    """A new custom object; a portal without the licence refuses."""
    if not portal.switches["custom_objects"]:
        message = "This portal does not have access to custom objects."
        raise RefusedError("MISSING_SCOPES", message, status=403)

    body = call.json() or {}
    missing = [name for name in REQUIRED if name not in body]
    if missing:
        raise invalid_json(missing)
    if body["name"] in portal.properties:
        raise already_exists(f"The object {body['name']} already exists.")

    add_object(portal, body)
    return Reply(201, schema_body(portal, body["name"]))


def add_object(portal: Portal, wanted: dict[str, Any]) -> None:
    """Add a custom object.

    Raises: RefusedError.
    """
    others = [object_named(portal, other) for other in wanted["associatedObjects"]]
    add_records(portal, wanted)
    portal.association_types.add_object(wanted["name"], others)


def object_named(portal: Portal, name: str) -> str:
    """An object by type id or by name in any case, such as `CONTACT`. Raises: RefusedError."""
    kind = portal.kind_of(name.lower())
    if kind is None:
        raise unknown_object(name)
    return kind


def associate_objects(call: Call, portal: Portal, kind: str) -> Reply:
    """A new association type without a label, between a custom object and another."""
    body = call.json() or {}
    missing = [name for name in ("fromObjectTypeId", "toObjectTypeId") if not body.get(name)]
    if missing:
        raise invalid_json(missing)
    pair = (
        object_named(portal, body["fromObjectTypeId"]),
        object_named(portal, body["toObjectTypeId"]),
    )
    known = portal.association_types.define(pair, None, None)[0]
    return Reply(201, association_definition(portal, pair, known))


def get_schema(call: Call, portal: Portal, kind: str) -> Reply:
    """One custom object."""
    if kind not in portal.schemas:
        raise unknown_object(kind)
    return Reply(200, schema_body(portal, kind), rows=1)


def add_records(portal: Portal, wanted: dict[str, Any]) -> None:
    """Make room for the records of a custom object, and define its properties.

    Raises: RefusedError.
    """
    name = wanted["name"]
    group = f"{name}_information"
    label = wanted["labels"].get("singular", name)
    portal.properties[name] = {entry["name"]: entry for entry in common_properties()}
    portal.groups[name] = {group: property_group(group, label)}
    portal.records[name] = {}
    for definition in wanted["properties"]:
        define(portal, name, {"groupName": group, **definition})

    number = len(portal.schemas) + 1
    now = portal.now()
    portal.schemas[name] = {
        "id": str(number),
        "name": name,
        "labels": wanted["labels"],
        "objectTypeId": f"2-{number}",
        "fullyQualifiedName": f"p{portal.portal_id}_{name}",
        "requiredProperties": wanted["requiredProperties"],
        "searchableProperties": wanted.get("searchableProperties") or [],
        "primaryDisplayProperty": wanted.get("primaryDisplayProperty"),
        "createdAt": now,
        "updatedAt": now,
    }
