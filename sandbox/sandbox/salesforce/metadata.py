"""Salesforce's schema: fields by the Tooling API; objects and fields by the Metadata API's createMetadata (SOAP).

Source: metadata WSDL v63; Metadata API developer guide, read 2026-11-23.
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml.ElementTree import ParseError, fromstring

from sandbox.http import Call, Reply
from sandbox.salesforce.api import Salesforce
from sandbox.salesforce.state import Org, RowError

COMPONENTS_A_CALL = 10
METADATA = "{http://soap.sforce.com/2006/04/metadata}"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

route = Salesforce.router.add


@route("POST", "/tooling/sobjects/CustomField")
def create_custom_field(api: Salesforce, call: Call, org: Org) -> Reply:
    """A new field; field-level security is granted apart."""
    given = call.json() or {}
    field_id = org.add_custom_field(given.get("FullName", ""), given.get("Metadata") or {})
    return Reply(201, {"id": field_id, "success": True, "errors": [], "warnings": [], "infos": []})


@route("POST", "/services/Soap/m/{version}")
def soap(api: Salesforce, call: Call, org: Org, version: str) -> Reply:
    """createMetadata: up to ten components of one type, each with its own result."""
    try:
        body = fromstring(call.body).find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
    except ParseError:
        return fault("soapenv:Client", "The message is no XML")
    wanted = body.find(f"{METADATA}createMetadata") if body is not None else None
    if wanted is None:
        return fault("sf:NOT_EMULATED", "the sandbox emulates createMetadata")
    components = wanted.findall(f"{METADATA}metadata")
    if (
        not 0 < len(components) <= COMPONENTS_A_CALL
        or len({one.get(TYPE) for one in components}) != 1
    ):
        return fault("sf:INVALID_TYPE", f"1 to {COMPONENTS_A_CALL} components of one type")
    results = "".join(result(org, one) for one in components)
    return envelope(
        200, f'<createMetadataResponse xmlns="{METADATA[1:-1]}">{results}</createMetadataResponse>'
    )


def result(org: Org, component: Element) -> str:
    """One component, created or refused."""
    given = content(component)
    name = str(given.pop("fullName", ""))
    try:
        match component.get(TYPE):
            case "CustomObject":
                org.add_custom_object(name, given)
            case "CustomField":
                org.add_custom_field(name, given)
            case other:
                raise RowError(
                    "INVALID_TYPE", f"the sandbox does not emulate components of type {other}"
                )
    except RowError as error:
        told = f"<errors><message>{escape(error.message)}</message><statusCode>{error.code}</statusCode></errors>"
        return f"<result>{told}<fullName>{escape(name)}</fullName><success>false</success></result>"
    return f"<result><fullName>{escape(name)}</fullName><success>true</success></result>"


def content(element: Element) -> dict[str, Any]:
    """Child elements as JSON would have them; what comes more than once is a list."""
    found: dict[str, Any] = {}
    for child in element:
        name = child.tag.removeprefix(METADATA)
        value: Any = (
            content(child)
            if len(child)
            else {"true": True, "false": False}.get(child.text or "", child.text or "")
        )
        if name in found:
            found[name] = (
                [*found[name], value] if isinstance(found[name], list) else [found[name], value]
            )
        else:
            found[name] = value
    return found


def fault(code: str, message: str) -> Reply:
    """A SOAP fault."""
    return envelope(
        500,
        f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{escape(message)}</faultstring></soapenv:Fault>",
    )


def envelope(status: int, body: str) -> Reply:
    """A SOAP answer."""
    text = f'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
    return Reply(status, text.encode(), {"Content-Type": "text/xml; charset=UTF-8"})
