"""SOAP as Salesforce's APIs speak it: messages, faults, and XML as JSON would have it."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml.ElementTree import ParseError, fromstring

from sandbox.http import Call, Reply

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
TYPE = f"{{{INSTANCE}}}type"


def requested(call: Call) -> Element | None:
    """The element that names the operation; None if the message is not valid."""
    try:
        body = fromstring(call.body).find(f"{{{ENVELOPE}}}Body")
    except ParseError:
        return None
    return next(iter(body), None) if body is not None else None


def name_of(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def content(element: Element) -> dict[str, Any]:
    """Child elements as JSON would have them; what comes more than once is a list."""
    values: dict[str, Any] = {}
    for child in element:
        name = name_of(child)
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


def elements(values: dict[str, Any]) -> str:
    """Values as elements; a list is repeated elements, None an empty one that says so."""
    text = ""
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            text += element(name, item)
    return text


def element(name: str, value: Any) -> str:
    """A value as an element."""
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(value, dict):
        return f"<{name}>{elements(value)}</{name}>"
    shown = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{shown}</{name}>"


def fault(code: str, message: str) -> Reply:
    """A SOAP fault."""
    detail = f"<faultcode>{code}</faultcode><faultstring>{escape(message)}</faultstring>"
    return envelope(500, f"<soapenv:Fault>{detail}</soapenv:Fault>")


def invalid() -> Reply:
    """The fault for a message that is not SOAP."""
    return fault("soapenv:Client", "The message is not valid XML")


def envelope(status: int, body: str) -> Reply:
    """A SOAP response."""
    text = (
        f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns:xsi="{INSTANCE}">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    return Reply(status, text.encode(), {"Content-Type": "text/xml; charset=UTF-8"})
