"""HubSpot's schema: properties, groups, custom objects, pipelines, owners, the account."""

from __future__ import annotations

from typing import Any

from sandbox.clock import iso
from sandbox.http import Call, Reply
from sandbox.hubspot.api import HubSpot
from sandbox.hubspot.batches import batch, inputs_of
from sandbox.hubspot.properties import default_properties
from sandbox.hubspot.state import Portal, RowError

route = HubSpot.router.add


@route("GET", "/crm/v3/properties/{kind}/groups")
def list_groups(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Property groups."""
    return Reply(
        200, {"results": list(portal.groups[kind].values())}, rows=len(portal.groups[kind])
    )


@route("POST", "/crm/v3/properties/{kind}/groups")
def create_group(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """A new group."""
    given = call.json() or {}
    name = given.get("name")
    if not name or not given.get("label"):
        raise RowError("VALIDATION_ERROR", "name and label are required")
    if name in portal.groups[kind]:
        raise RowError(
            "OBJECT_ALREADY_EXISTS", f"A property group named '{name}' already exists.", status=409
        )
    portal.groups[kind][name] = {
        "name": name,
        "label": given["label"],
        "displayOrder": given.get("displayOrder", -1),
        "archived": False,
    }
    return Reply(201, portal.groups[kind][name])


@route("GET", "/crm/v3/properties/{kind}")
def list_properties(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """All properties."""
    return Reply(
        200, {"results": list(portal.properties[kind].values())}, rows=len(portal.properties[kind])
    )


def new_property(portal: Portal, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Define a property. Raises: RowError."""
    for name in ("name", "label", "type", "fieldType", "groupName"):
        if not given.get(name):
            raise RowError("VALIDATION_ERROR", f"{name} is required")
    if given["name"] in portal.properties[kind]:
        raise RowError(
            "OBJECT_ALREADY_EXISTS",
            f"A property named '{given['name']}' already exists.",
            status=409,
        )
    if given["groupName"] not in portal.groups[kind]:
        raise RowError(
            "VALIDATION_ERROR", f"The property group {given['groupName']} does not exist"
        )
    if given["type"] not in ("string", "number", "date", "datetime", "enumeration", "bool"):
        raise RowError("VALIDATION_ERROR", f"{given['type']} is no property type")
    made = {
        "description": "",
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": False,
        **given,
        "options": given.get("options") or [],
        "modificationMetadata": {
            "archivable": True,
            "readOnlyDefinition": False,
            "readOnlyValue": False,
        },
    }
    portal.properties[kind][given["name"]] = made
    return made


@route("POST", "/crm/v3/properties/{kind}")
def create_property(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """A new property."""
    return Reply(201, new_property(portal, kind, call.json() or {}))


@route("POST", "/crm/v3/properties/{kind}/batch/create")
def create_properties(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """New properties."""
    return batch(api, [new_property(portal, kind, one) for one in inputs_of(call)], [], 201)


@route("GET", "/crm/v3/properties/{kind}/{name}")
def get_property(api: HubSpot, call: Call, portal: Portal, kind: str, name: str) -> Reply:
    """One property."""
    if name not in portal.properties[kind]:
        raise RowError("OBJECT_NOT_FOUND", f"property {name} does not exist", status=404)
    return Reply(200, portal.properties[kind][name], rows=1)


@route("PATCH", "/crm/v3/properties/{kind}/{name}")
def patch_property(api: HubSpot, call: Call, portal: Portal, kind: str, name: str) -> Reply:
    """Change label, group or options; uniqueness is for ever."""
    known = portal.properties[kind].get(name)
    if known is None:
        raise RowError("OBJECT_NOT_FOUND", f"property {name} does not exist", status=404)
    given = call.json() or {}
    known |= {
        key: given[key]
        for key in ("label", "groupName", "description", "options", "hidden")
        if key in given
    }
    return Reply(200, known)


@route("GET", "/crm/v3/pipelines/{kind}")
def list_pipelines(api: HubSpot, call: Call, portal: Portal, kind: str) -> Reply:
    """Pipelines with their stages."""
    found = portal.stage_options() if kind == "deals" else []
    return Reply(200, {"results": found}, rows=len(found))


@route("GET", "/crm/v3/owners")
def list_owners(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """The owners of a sandbox portal."""
    now = iso(api.clock.now(), 3)
    people = (("1", "owner", "Sam", "Owner"), ("2", "ada", "Ada", "Sales"))
    owners = [
        {
            "id": number, "email": f"{name}@example.com", "type": "PERSON", "firstName": first, "lastName": last, "userId": int(number),
            "createdAt": now, "updatedAt": now, "archived": False,
        }
        for number, name, first, last in people
    ]  # fmt: skip
    return Reply(200, {"results": owners}, rows=len(owners))


@route("GET", "/account-info/v3/details")
def account_details(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """Which portal the token opens."""
    return Reply(
        200,
        {
            "portalId": portal.portal_id,
            "accountType": "STANDARD",
            "timeZone": "US/Eastern",
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": "-05:00",
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
        rows=1,
    )


SCHEMAS = "/crm-object-schemas/v3/schemas"


def shown_schema(portal: Portal, name: str) -> dict[str, Any]:
    """A custom object as answered."""
    own = portal.schemas[name]
    return {
        **own,
        "properties": list(portal.properties[name].values()),
        "associations": [],
        "archived": False,
    }


@route("GET", SCHEMAS)
def list_schemas(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """Custom objects."""
    return Reply(
        200,
        {"results": [shown_schema(portal, name) for name in portal.schemas]},
        rows=len(portal.schemas),
    )


@route("POST", SCHEMAS)
def create_schema(api: HubSpot, call: Call, portal: Portal) -> Reply:
    """A new custom object; a portal without the licence refuses."""
    if not api.custom_objects:
        raise RowError(
            "MISSING_SCOPES", "This portal does not have access to custom objects.", status=403
        )
    given = call.json() or {}
    for name in ("name", "labels", "properties", "requiredProperties", "associatedObjects"):
        if name not in given:
            raise RowError("VALIDATION_ERROR", f"{name} is required")
    name = given["name"]
    if name in portal.properties:
        raise RowError("OBJECT_ALREADY_EXISTS", f"The object {name} already exists.", status=409)
    common = ("hs_object_id", "createdate", "lastmodifieddate", "hubspot_owner_id")
    portal.properties[name] = {one: dict(default_properties()["deals"][one]) for one in common}
    group = f"{name}_information"
    label = given["labels"].get("singular", name)
    portal.groups[name] = {
        group: {"name": group, "label": label, "displayOrder": 0, "archived": False}
    }
    portal.records[name] = {}
    for one in given["properties"]:
        new_property(portal, name, {"groupName": group, **one})
    now = iso(api.clock.now(), 3)
    portal.schemas[name] = {
        "id": str(len(portal.schemas) + 1),
        "name": name,
        "labels": given["labels"],
        "objectTypeId": f"2-{len(portal.schemas) + 1}",
        "fullyQualifiedName": f"p{portal.portal_id}_{name}",
        "requiredProperties": given["requiredProperties"],
        "searchableProperties": given.get("searchableProperties") or [],
        "primaryDisplayProperty": given.get("primaryDisplayProperty"),
        "createdAt": now,
        "updatedAt": now,
    }
    return Reply(201, shown_schema(portal, name))
