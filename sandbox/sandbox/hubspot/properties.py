"""HubSpot's properties and their groups."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.batches import inputs_of
from sandbox.hubspot.definitions import property_group
from sandbox.hubspot.errors import (
    NotEmulatedError,
    already_exists,
    invalid,
    invalid_json,
    not_found,
)
from sandbox.hubspot.responses import batch_reply, list_reply
from sandbox.hubspot.state import Portal

REQUIRED = ("name", "label", "type", "fieldType", "groupName")
TYPES = ("string", "number", "date", "datetime", "enumeration", "bool")
OPTION = ("displayOrder", "hidden", "label", "value")
"""What an option needs. Source: HubSpot's crm-properties specification, read 2026-11-29."""
CHANGEABLE = ("label", "groupName", "description", "options", "hidden")


def list_groups(call: Call, portal: Portal, kind: str) -> Reply:
    """Property groups."""
    return list_reply(list(portal.groups[kind].values()))


def create_group(call: Call, portal: Portal, kind: str) -> Reply:
    """A new group."""
    body = call.json() or {}
    name = body.get("name")
    if not name or not body.get("label"):
        raise invalid("name and label are required")
    if name in portal.groups[kind]:
        raise already_exists(f"A property group named '{name}' already exists.")

    group = property_group(name, body["label"], body.get("displayOrder", -1))
    portal.groups[kind][name] = group
    return Reply(201, group)


def list_properties(call: Call, portal: Portal, kind: str) -> Reply:
    """All properties."""
    return list_reply(list(portal.properties[kind].values()))


def create_property(call: Call, portal: Portal, kind: str) -> Reply:
    """A new property."""
    return Reply(201, define(portal, kind, call.json() or {}))


def create_properties(call: Call, portal: Portal, kind: str) -> Reply:
    """New properties."""
    made = [define(portal, kind, wanted) for wanted in inputs_of(call)]
    return batch_reply(portal, made, status=201)


def define(portal: Portal, kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Add a property to an object.

    Raises: RefusedError.
    """
    for name in REQUIRED:
        if not wanted.get(name):
            raise invalid(f"{name} is required")
    if wanted["name"] in portal.properties[kind]:
        raise already_exists(f"A property named '{wanted['name']}' already exists.")
    if wanted["groupName"] not in portal.groups[kind]:
        raise invalid(f"The property group {wanted['groupName']} does not exist")
    if wanted["type"] not in TYPES:
        raise invalid(f"{wanted['type']} is not a property type")

    check_options(wanted.get("options") or [])

    rights = {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": False}
    made = {
        "description": "",
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": False,
        **wanted,
        "options": wanted.get("options") or [],
        "modificationMetadata": rights,
    }
    portal.properties[kind][wanted["name"]] = made
    return made


def property_of(portal: Portal, kind: str, name: str) -> dict[str, Any]:
    """The property a path names.

    Raises: RefusedError.
    """
    if name not in portal.properties[kind]:
        raise not_found(f"property {name} does not exist")
    return portal.properties[kind][name]


def get_property(call: Call, portal: Portal, kind: str, name: str) -> Reply:
    """One property."""
    return Reply(200, property_of(portal, kind, name), rows=1)


def patch_property(call: Call, portal: Portal, kind: str, name: str) -> Reply:
    """Change label, group or options, which are replaced as a whole; uniqueness is for ever."""
    known = property_of(portal, kind, name)
    changes = call.json() or {}
    for key in changes:
        if key not in CHANGEABLE:
            raise NotEmulatedError(f"a change of the {key} of a property")
    check_options(changes.get("options") or [])
    known |= changes
    return Reply(200, known)


def check_options(options: list[dict[str, Any]]) -> None:
    """Check the options of a property. Raises: RefusedError."""
    for option in options:
        missing = [name for name in OPTION if name not in option]
        if missing:
            raise invalid_json(missing)
    values = [option["value"] for option in options]
    if len(set(values)) < len(values):
        raise invalid("Property options must have unique values")
