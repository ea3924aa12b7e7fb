"""Objects and fields as the Metadata API wants them: their metadata, and the message in XML.

Source: metadata WSDL v63; Metadata API developer guide, createMetadata, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from reverse_etl.objects import FieldWanted

from target_salesforce.objects import LABELS

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
METADATA = "http://soap.sforce.com/2006/04/metadata"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
KEY_LENGTH, TEXT_LENGTH, LONG_LENGTH = 100, 255, 131_072
"""Maximum characters of a key, of a text, and of a long text area."""
NUMBER = {"precision": 18, "scale": 4, "type": "Number"}
TYPES: Mapping[str, Mapping[str, Any]] = {
    "number": NUMBER,
    "integer": NUMBER | {"scale": 0},
    "boolean": {"type": "Checkbox", "defaultValue": "false"},
    "date": {"type": "Date"},
    "datetime": {"type": "DateTime"},
}
"""Metadata of the kinds that need no more than this."""


def labels_of(object_name: str) -> tuple[str, str]:
    """Singular and plural of an object."""
    name = object_name.removesuffix("__c").replace("_", " ")
    return LABELS.get(object_name, (name, name))


def object_metadata(object_name: str) -> dict[str, Any]:
    """A custom object whose records are named by automatic numbers."""
    label, plural = labels_of(object_name)
    name_field = {"displayFormat": "{00000000}", "label": f"{label} Number", "type": "AutoNumber"}
    return {
        "fullName": object_name,
        "deploymentStatus": "Deployed",
        "label": label,
        "nameField": name_field,
        "pluralLabel": plural,
        "sharingModel": "ReadWrite",
    }


def field_metadata(object_name: str, wanted: FieldWanted) -> dict[str, Any]:
    """A custom field."""
    label = wanted.name.removesuffix("__c").replace("_", " ")
    metadata = {"label": label, **type_metadata(object_name, wanted)}
    if wanted.unique and not wanted.refers:
        metadata |= {"externalId": True, "unique": True, "caseSensitive": False}
    return {"fullName": f"{object_name}.{wanted.name}", **in_order(metadata)}


def type_metadata(object_name: str, wanted: FieldWanted) -> Mapping[str, Any]:
    """What makes a field hold values of its kind."""
    if wanted.refers:
        return lookup_metadata(object_name, wanted.refers)
    if wanted.kind in TYPES:
        return TYPES[wanted.kind]
    if wanted.kind == "choice":
        return picklist_metadata(wanted.options)
    if wanted.long_text:
        return {"type": "LongTextArea", "length": LONG_LENGTH, "visibleLines": 5}
    return {"type": "Text", "length": KEY_LENGTH if wanted.unique else TEXT_LENGTH}


def lookup_metadata(object_name: str, refers: str) -> dict[str, Any]:
    """A lookup to another object, emptied when the other record is deleted."""
    plural = LABELS.get(object_name, (object_name, object_name))[1]
    return {
        "type": "Lookup",
        "referenceTo": refers,
        "deleteConstraint": "SetNull",
        "relationshipLabel": plural,
        "relationshipName": plural.replace(" ", "_"),
    }


def picklist_metadata(options: Iterable[str]) -> dict[str, Any]:
    """A picklist that takes only its own values."""
    values = [{"fullName": option, "default": False, "label": option} for option in options]
    definition = {"sorted": False, "value": values}
    return {
        "type": "Picklist",
        "valueSet": {"restricted": True, "valueSetDefinition": definition},
    }


def in_order(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Elements in the order of the WSDL: by name."""
    return dict(sorted(metadata.items()))


def envelope(token: str, component_type: str, components: Iterable[Mapping[str, Any]]) -> bytes:
    """A createMetadata message."""
    namespaces = {"xmlns:env": ENVELOPE, "xmlns:xsi": INSTANCE, "xmlns": METADATA}
    root = Element("env:Envelope", namespaces)
    header = SubElement(SubElement(root, "env:Header"), "SessionHeader")
    SubElement(header, "sessionId").text = token

    call = SubElement(SubElement(root, "env:Body"), "createMetadata")
    for component in components:
        add(SubElement(call, "metadata", {"xsi:type": component_type}), component)
    message: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return message


def add(element: Element, content: Mapping[str, Any]) -> None:
    """Add content as child elements; a list becomes repeated elements."""
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            child = SubElement(element, name)
            if isinstance(item, Mapping):
                add(child, item)
            else:
                child.text = str(item).lower() if isinstance(item, bool) else str(item)
