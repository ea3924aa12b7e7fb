"""Salesforce's SOAP APIs: a message, its answer, and what a fault means.

Source: metadata WSDL v63; Metadata API developer guide, createMetadata, readMetadata,
updateMetadata; SOAP API developer guide, getUserInfo, emptyRecycleBin(), read 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # defusedxml parses

from defusedxml.ElementTree import ParseError, fromstring
from reverse_etl.crm.http import SETUP, Answer, Upload
from reverse_etl.errors import CrmError

from target_salesforce.api import Request, SalesforceApi
from target_salesforce.errors import RUN_CODES

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
METADATA = "http://soap.sforce.com/2006/04/metadata"
PARTNER = "urn:partner.soap.sforce.com"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{INSTANCE}}}nil"
COMPONENTS_PER_CALL = 10
"""Components of one createMetadata.
Source: Metadata API developer guide, createMetadata, read 2026-11-23."""
SOAP_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
SOAP_FAULT = 500
"""The status of a SOAP fault: an answer, not an outage, so it is not retried."""
EXISTS = "DUPLICATE_DEVELOPER_NAME"
RELATIONSHIP = "Child Relationship"
"""What the message contains if another lookup, not the field itself, has the name already."""
CUSTOMIZE = "Grant the user Customize Application, or make the change by hand."


@dataclass(frozen=True, slots=True)
class SoapApi:
    """SOAP calls to one org."""

    api: SalesforceApi

    def create(self, component_type: str, components: Sequence[Mapping[str, Any]]) -> None:
        """Create components of the schema; what exists stays as it is. Raises: CrmError."""
        for start in range(0, len(components), COMPONENTS_PER_CALL):
            call = Element("createMetadata")
            for component in components[start : start + COMPONENTS_PER_CALL]:
                add(SubElement(call, "metadata", {"xsi:type": component_type}), component)
            check_saved(self._call("m", METADATA, call))

    def read_field(self, full_name: str) -> Element | None:
        """A custom field's metadata, without namespaces; None if it does not exist.

        Raises: CrmError.
        """
        call = Element("readMetadata")
        SubElement(call, "type").text = "CustomField"
        SubElement(call, "fullNames").text = full_name
        tree = self._call("m", METADATA, call)
        record = next(tree.iter(f"{{{METADATA}}}records"), None)
        return None if record is None or record.get(NIL) == "true" else plain_copy(record)

    def update_field(self, field: Element) -> None:
        """Replace a custom field's metadata. Raises: CrmError."""
        call = Element("updateMetadata")
        metadata = SubElement(call, "metadata", {"xsi:type": "CustomField"})
        metadata.extend(field)
        check_saved(self._call("m", METADATA, call))

    def user_info(self) -> Mapping[str, str]:
        """What the org says of the running user and of its currency. Raises: CrmError."""
        tree = self._call("u", PARTNER, Element("getUserInfo"))
        result = next(tree.iter(f"{{{PARTNER}}}result"), None)
        children = result if result is not None else ()
        return {local_name(child): child.text or "" for child in children}

    def empty_recycle_bin(self, crm_id: str) -> bool:
        """Erase a deleted record. Returns False if the recycle bin does not hold it.

        Raises: CrmError.
        """
        call = Element("emptyRecycleBin")
        SubElement(call, "ids").text = crm_id
        tree = self._call("u", PARTNER, call)
        results = tree.iter(f"{{{PARTNER}}}result")
        return any(result.findtext(f"{{{PARTNER}}}success") == "true" for result in results)

    def _call(self, interface: str, namespace: str, call: Element) -> Element:
        """The answer to a message. Raises: CrmError."""

        def message() -> bytes:  # for each attempt: it carries the token
            return envelope(self.api.session.access_token, namespace, call)

        request = Request(
            "POST",
            f"/services/Soap/{interface}/{self.api.version.removeprefix('v')}",
            SETUP,
            upload=Upload(message, SOAP_HEADERS),
            final=frozenset({SOAP_FAULT}),
        )
        tree = parsed(self.api.call(request))
        fault = next(tree.iter("faultcode"), None)
        if fault is not None:
            code = str(fault.text).rpartition(":")[2]
            hint = RUN_CODES.get(code, CUSTOMIZE)
            raise CrmError(f"Salesforce's SOAP API refused the call ({code}).", hint)
        return tree


def envelope(token: str, namespace: str, call: Element) -> bytes:
    """A message."""
    namespaces = {"xmlns:env": ENVELOPE, "xmlns:xsi": INSTANCE, "xmlns": namespace}
    root = Element("env:Envelope", namespaces)
    header = SubElement(SubElement(root, "env:Header"), "SessionHeader")
    SubElement(header, "sessionId").text = token
    SubElement(root, "env:Body").append(call)
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


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def plain_copy(element: Element) -> Element:
    """An element and all below it, without namespaces and attributes."""
    copy = Element(local_name(element))
    copy.text = element.text
    copy.extend(plain_copy(child) for child in element)
    return copy


def parsed(answer: Answer) -> Element:
    """An answer's XML. Raises: CrmError."""
    try:
        tree: Element = fromstring(answer.text)
    except ParseError:
        raise CrmError(
            f"Salesforce's SOAP API returned {answer.status} without XML.",
            "Check `instance_url`.",
        ) from None
    return tree


def check_saved(tree: Element) -> None:
    """Raises: CrmError if a component could not be created or updated."""
    for result in tree.iter(f"{{{METADATA}}}result"):
        if result.findtext(f"{{{METADATA}}}success") == "true":
            continue
        # What exists may only have been hidden from the user, and is granted like the rest.
        codes = sorted(set(refused_codes(result.iter(f"{{{METADATA}}}errors"))))
        if codes:
            name = result.findtext(f"{{{METADATA}}}fullName")
            raise CrmError(f"Salesforce refused {name} ({', '.join(codes)}).", CUSTOMIZE)


def refused_codes(errors: Iterable[Element]) -> Iterable[str]:
    """Codes of errors that are more than `it exists already`."""
    for error in errors:
        code = error.findtext(f"{{{METADATA}}}statusCode", "")
        message = error.findtext(f"{{{METADATA}}}message", "")
        if RELATIONSHIP in message:
            yield f"{code}: {message}"
        elif code != EXISTS:
            yield code
