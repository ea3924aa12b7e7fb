"""HubSpot's custom objects."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.errors import RefusedError, already_exists, invalid
from sandbox.hubspot.fixtures import common_properties, property_group
from sandbox.hubspot.properties import define
from sandbox.hubspot.responses import list_reply, schema_body
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
    for name in REQUIRED:
        if name not in body:
            raise invalid(f"{name} is required")
    if body["name"] in portal.properties:
        raise already_exists(f"The object {body['name']} already exists.")

    add_object(portal, body)
    return Reply(201, schema_body(portal, body["name"]))


def add_object(portal: Portal, wanted: dict[str, Any]) -> None:
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
