"""Salesforce's schema: fields by the Tooling API, objects and fields by the Metadata API (SOAP).

Source: metadata WSDL v63; Metadata API developer guide, createMetadata, readMetadata,
updateMetadata, read 2026-11-29.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.http import Call, Reply
from sandbox.salesforce import soap
from sandbox.salesforce.errors import RowError
from sandbox.salesforce.fields import Field
from sandbox.salesforce.state import Org

COMPONENTS_A_CALL = 10
METADATA = "http://soap.sforce.com/2006/04/metadata"
FIELD_TYPES = {
    "Text": "string",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "DateTime": "datetime",
    "Date": "date",
    "Checkbox": "boolean",
    "Picklist": "picklist",
    "MultiselectPicklist": "multipicklist",
    "LongTextArea": "textarea",
    "TextArea": "textarea",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
    "Lookup": "reference",
}
"""Types of describe by those of the metadata."""
LENGTHS = {"multipicklist": 4099, "reference": 18, "email": 80, "phone": 40}
"""Lengths that describe shows for types whose metadata have none; 255 for the other texts."""
WITHOUT_LENGTH = ("double", "currency", "percent", "datetime", "date", "boolean")


def create_custom_field(call: Call, org: Org) -> Reply:
    """A new field; field-level security is granted apart."""
    body = call.json() or {}
    field_id = add_custom_field(org, body.get("FullName", ""), body.get("Metadata") or {})
    return Reply(201, {"id": field_id, "success": True, "errors": [], "warnings": [], "infos": []})


def add_custom_field(org: Org, full_name: str, metadata: dict[str, Any]) -> str:
    """Add a field to an object; returns its id.

    Raises: RowError.
    """
    sobject, _, name = full_name.partition(".")
    if sobject not in org.objects or not name.endswith("__c"):
        raise incomplete(f"{full_name} is not a custom field name", "FullName")
    if name in org.objects[sobject]:
        message = f"There is already a field named {name} on {sobject}."
        raise RowError("DUPLICATE_DEVELOPER_NAME", message, ["FullName"])
    check_relationship(org, metadata)
    field_id = org.add_field(sobject, field_of(org, name, metadata))
    org.metadata[full_name] = as_read(metadata)
    return field_id


def as_read(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata as the Metadata API has them; the Tooling API names picklist values otherwise."""
    values = picklist_values(metadata)
    if not values:
        return metadata
    entries = [
        {"fullName": value, "default": False, "isActive": active, "label": value}
        for value, active in values.items()
    ]
    definition = {"sorted": False, "value": entries}
    value_set = {**metadata["valueSet"], "valueSetDefinition": definition}
    return {**metadata, "valueSet": value_set}


def check_relationship(org: Org, metadata: dict[str, Any]) -> None:
    """Check that no other look-up to the same object has the relationship's name.

    Source: words of failed deployments, as public repositories quote them.

    Raises: RowError.
    """
    name, target = metadata.get("relationshipName"), metadata.get("referenceTo")
    for other in org.metadata.values():
        if name and other.get("relationshipName") == name and other.get("referenceTo") == target:
            message = f"There is already a Child Relationship named {name} on {target}."
            raise RowError("DUPLICATE_DEVELOPER_NAME", message)


def update_custom_field(org: Org, full_name: str, metadata: dict[str, Any]) -> None:
    """Replace the metadata of a field; values of a picklist that they lack become inactive.

    Raises: RowError.
    """
    sobject, _, name = full_name.partition(".")
    before = org.metadata.get(full_name)
    if before is None or before.get("type") != metadata.get("type"):
        message = f"the sandbox does not emulate this update of {full_name}"
        raise RowError("NOT_EMULATED", message)

    field = field_of(org, name, metadata)
    entries = org.objects[sobject][name]["picklistValues"]
    gone = tuple(entry["value"] for entry in entries if entry["value"] not in field.values)
    org.add_field(sobject, replace(field, inactive=(*field.inactive, *gone)))
    org.metadata[full_name] = as_read(metadata)


def incomplete(message: str, part: str) -> RowError:
    """The error for metadata that does not define a field."""
    return RowError("FIELD_INTEGRITY_EXCEPTION", message, [part])


def field_of(org: Org, name: str, metadata: dict[str, Any]) -> Field:
    """The field that metadata define.

    Raises: RowError.
    """
    kind = FIELD_TYPES.get(metadata.get("type", ""))
    if kind is None or not metadata.get("label"):
        raise incomplete("type and label are required", "Metadata")
    if kind in ("string", "textarea") and not metadata.get("length"):
        raise incomplete("length is required for text", "Metadata")

    target = str(metadata.get("referenceTo") or "")
    related = target in org.objects and metadata.get("relationshipName")
    if kind == "reference" and not related:
        raise incomplete("referenceTo and relationshipName are required", "Metadata")
    if kind == "multipicklist" and not metadata.get("visibleLines"):
        raise incomplete("visibleLines is required for a multi-select picklist", "Metadata")

    length = 0 if kind in WITHOUT_LENGTH else LENGTHS.get(kind, 255)
    values = picklist_values(metadata)
    return Field(
        name,
        kind,
        int(metadata.get("length") or length),
        label=metadata["label"],
        precision=int(metadata.get("precision") or 18),
        scale=int(metadata.get("scale") or 0),
        values=tuple(value for value, active in values.items() if active),
        inactive=tuple(value for value, active in values.items() if not active),
        restricted=bool((metadata.get("valueSet") or {}).get("restricted")),
        refers_to=(target,) if target else (),
        external=bool(metadata.get("externalId")),
        unique=bool(metadata.get("unique")),
        case_sensitive=bool(metadata.get("caseSensitive")),
        filterable=metadata["type"] != "LongTextArea",
    )


def picklist_values(metadata: dict[str, Any]) -> dict[str, bool]:
    """The values of a picklist, and whether they are active.

    The Tooling API calls them valueName, the Metadata API fullName.
    """
    values = (metadata.get("valueSet") or {}).get("valueSetDefinition", {}).get("value", [])
    entries = values if isinstance(values, list) else [values]
    return {
        entry.get("fullName") or entry.get("valueName"): entry.get("isActive", True)
        for entry in entries
    }


def add_custom_object(org: Org, name: str, metadata: dict[str, Any]) -> None:
    """Add a custom object.

    Raises: RowError.
    """
    required = ("label", "pluralLabel", "nameField")
    if not name.endswith("__c") or not all(metadata.get(part) for part in required):
        message = "label, pluralLabel and nameField are required"
        raise RowError("FIELD_INTEGRITY_EXCEPTION", message)
    if name in org.objects:
        raise RowError("DUPLICATE_DEVELOPER_NAME", f"There is already an object named {name}.")
    numbered = metadata["nameField"].get("type") == "AutoNumber"
    org.add_object(name, (metadata["label"], metadata["pluralLabel"]), numbered=numbered)


def call_metadata(call: Call, org: Org, version: str) -> Reply:
    """createMetadata, readMetadata and updateMetadata: up to ten components of one type."""
    wanted = soap.requested(call)
    if wanted is None:
        return soap.invalid()

    operation = soap.name_of(wanted)
    if wanted.tag == f"{{{METADATA}}}readMetadata":
        return read(org, wanted)
    actions = {"createMetadata": add_component, "updateMetadata": update_component}
    if operation not in actions:
        return soap.fault("sf:NOT_EMULATED", f"the sandbox does not emulate {operation}")

    components = wanted.findall(f"{{{METADATA}}}metadata")
    types = {component.get(soap.TYPE) for component in components}
    if not 0 < len(components) <= COMPONENTS_A_CALL or len(types) != 1:
        message = f"1 to {COMPONENTS_A_CALL} components of one type"
        return soap.fault("sf:INVALID_TYPE", message)

    results = [save(org, component, actions[operation]) for component in components]
    return response(operation, {"result": results})


def response(operation: str, body: dict[str, Any]) -> Reply:
    """The response to an operation."""
    name = f"{operation}Response"
    text = f'<{name} xmlns="{METADATA}">{soap.elements(body)}</{name}>'
    return soap.envelope(200, text)


def read(org: Org, wanted: Element) -> Reply:
    """Custom fields with their metadata; a field that is missing is an empty record."""
    asked = soap.content(wanted)
    if asked.get("type") != "CustomField":
        kind = asked.get("type")
        return soap.fault("sf:NOT_EMULATED", f"the sandbox does not emulate reading {kind}")

    names = asked.get("fullNames", [])
    records = ""
    for name in names if isinstance(names, list) else [names]:
        metadata = org.metadata.get(name)
        if metadata is None:
            records += '<records xsi:nil="true"/>'
        else:
            values = soap.elements({"fullName": name, **metadata})
            records += f'<records xsi:type="CustomField">{values}</records>'
    text = f'<readMetadataResponse xmlns="{METADATA}"><result>{records}</result>'
    return soap.envelope(200, f"{text}</readMetadataResponse>")


Action = Callable[[Org, str, str, dict[str, Any]], None]


def save(org: Org, component: Element, action: Action) -> dict[str, Any]:
    """Create or update a component; returns its result, which is an error if it was refused."""
    metadata = soap.content(component)
    name = str(metadata.pop("fullName", ""))
    kind = str(component.get(soap.TYPE)).rpartition(":")[2]
    try:
        action(org, kind, name, metadata)
    except RowError as error:
        refused = {"message": error.message, "statusCode": error.code}
        return {"errors": refused, "fullName": name, "success": False}
    return {"fullName": name, "success": True}


def add_component(org: Org, kind: str, name: str, metadata: dict[str, Any]) -> None:
    """Add an object or a field.

    Raises: RowError.
    """
    match kind:
        case "CustomObject":
            add_custom_object(org, name, metadata)
        case "CustomField":
            add_custom_field(org, name, metadata)
        case _:
            raise other_type(kind)


def update_component(org: Org, kind: str, name: str, metadata: dict[str, Any]) -> None:
    """Update a field.

    Raises: RowError.
    """
    if kind != "CustomField":
        raise other_type(kind)
    update_custom_field(org, name, metadata)


def other_type(kind: str) -> RowError:
    """The error for components of a type that is not emulated."""
    return RowError("INVALID_TYPE", f"the sandbox does not emulate components of type {kind}")
