"""Salesforce's schema: fields by the Tooling API, objects and fields by the Metadata API (SOAP).

Source: metadata WSDL v63; Metadata API developer guide, read 2026-11-23.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml.ElementTree import ParseError, fromstring

from sandbox.http import Call, Reply
from sandbox.salesforce.errors import RowError
from sandbox.salesforce.fields import Field
from sandbox.salesforce.state import Org

COMPONENTS_A_CALL = 10
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
METADATA = "http://soap.sforce.com/2006/04/metadata"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
FIELD_TYPES = {
    "Text": "string",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "DateTime": "datetime",
    "Date": "date",
    "Checkbox": "boolean",
    "Picklist": "picklist",
    "LongTextArea": "textarea",
    "TextArea": "textarea",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
    "Lookup": "reference",
}
"""Types of describe by those of the metadata."""


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
    return org.add_field(sobject, field_of(org, name, metadata))


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

    return Field(
        name,
        kind,
        int(metadata.get("length") or 255),
        label=metadata["label"],
        scale=int(metadata.get("scale") or 0),
        values=picklist_values(metadata),
        restricted=bool((metadata.get("valueSet") or {}).get("restricted")),
        refers_to=target,
        external=bool(metadata.get("externalId")),
        unique=bool(metadata.get("unique")),
    )


def picklist_values(metadata: dict[str, Any]) -> tuple[str, ...]:
    """The values of a picklist; the Tooling API calls them valueName, the Metadata API fullName."""
    values = (metadata.get("valueSet") or {}).get("valueSetDefinition", {}).get("value", [])
    entries = values if isinstance(values, list) else [values]
    return tuple(entry.get("fullName") or entry.get("valueName") for entry in entries)


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
    org.add_object(name)


def soap(call: Call, org: Org, version: str) -> Reply:
    """createMetadata: up to ten components of one type, each with its own result."""
    try:
        body = fromstring(call.body).find(f"{{{ENVELOPE}}}Body")
    except ParseError:
        return soap_fault("soapenv:Client", "The message is not valid XML")

    wanted = body.find(f"{{{METADATA}}}createMetadata") if body is not None else None
    if wanted is None:
        return soap_fault("sf:NOT_EMULATED", "the sandbox emulates createMetadata")

    components = wanted.findall(f"{{{METADATA}}}metadata")
    types = {component.get(TYPE) for component in components}
    if not 0 < len(components) <= COMPONENTS_A_CALL or len(types) != 1:
        message = f"1 to {COMPONENTS_A_CALL} components of one type"
        return soap_fault("sf:INVALID_TYPE", message)

    results = "".join(create(org, component) for component in components)
    response = f'<createMetadataResponse xmlns="{METADATA}">{results}</createMetadataResponse>'
    return envelope(200, response)


def create(org: Org, component: Element) -> str:
    """Create a component; returns its result, which is an error if it was refused."""
    metadata = content(component)
    name = str(metadata.pop("fullName", ""))
    shown = f"<fullName>{escape(name)}</fullName>"
    try:
        add_component(org, str(component.get(TYPE)), name, metadata)
    except RowError as error:
        message = f"<message>{escape(error.message)}</message>"
        errors = f"<errors>{message}<statusCode>{error.code}</statusCode></errors>"
        return f"<result>{errors}{shown}<success>false</success></result>"
    return f"<result>{shown}<success>true</success></result>"


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
            message = f"the sandbox does not emulate components of type {kind}"
            raise RowError("INVALID_TYPE", message)


def content(element: Element) -> dict[str, Any]:
    """Child elements as JSON would have them; what comes more than once is a list."""
    values: dict[str, Any] = {}
    for child in element:
        name = child.tag.removeprefix(f"{{{METADATA}}}")
        value = content(child) if len(child) else plain(child.text or "")
        if name not in values:
            values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def plain(text: str) -> str | bool:
    """The text of an element; true and false are booleans."""
    return {"true": True, "false": False}.get(text, text)


def soap_fault(code: str, message: str) -> Reply:
    """A SOAP fault."""
    detail = f"<faultcode>{code}</faultcode><faultstring>{escape(message)}</faultstring>"
    return envelope(500, f"<soapenv:Fault>{detail}</soapenv:Fault>")


def envelope(status: int, body: str) -> Reply:
    """A SOAP response."""
    text = (
        f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE}">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    return Reply(status, text.encode(), {"Content-Type": "text/xml; charset=UTF-8"})
