"""Creating objects and fields by the Metadata API. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import ParseError, fromstring
from reverse_etl.crm.http import SETUP, Answer, Upload
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted

from target_salesforce.api import Request, SalesforceApi
from target_salesforce.metadata import METADATA, envelope, field_metadata, object_metadata
from target_salesforce.permissions import Permissions

COMPONENTS_PER_CALL = 10
"""Components of one createMetadata.
Source: Metadata API developer guide, createMetadata, read 2026-11-23."""
SOAP_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
SOAP_FAULT = 500
"""The status of a SOAP fault: an answer, not an outage, so it is not retried."""
EXISTS = "DUPLICATE_DEVELOPER_NAME"


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Creates what is missing in one org, and grants the running user access to it."""

    api: SalesforceApi
    permissions: Permissions

    def create_object(self, object_name: str) -> None:
        """Create a custom object. Raises: CrmError."""
        self._create("CustomObject", [object_metadata(object_name)])
        self.permissions.grant_object(object_name)

    def create_fields(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields. Raises: CrmError."""
        for field in wanted:
            if not field.name.endswith("__c"):
                raise CrmError(
                    f"{object_name} has no field {field.name}, "
                    "and only custom fields (…__c) can be created.",
                    "Check its name in the rule.",
                )

        components = [field_metadata(object_name, field) for field in wanted]
        for start in range(0, len(components), COMPONENTS_PER_CALL):
            self._create("CustomField", components[start : start + COMPONENTS_PER_CALL])
        self.permissions.grant_fields(object_name, [field.name for field in wanted])

    def _create(self, component_type: str, components: Sequence[Mapping[str, Any]]) -> None:
        """One createMetadata call. Raises: CrmError."""
        message = envelope(self.api.session.access_token, component_type, components)
        request = Request(
            "POST",
            f"/services/Soap/m/{self.api.version.removeprefix('v')}",
            SETUP,
            upload=Upload(lambda: message, SOAP_HEADERS),
            final=frozenset({SOAP_FAULT}),
        )
        check_created(parsed(self.api.call(request)))


def parsed(answer: Answer) -> Element:
    """An answer's XML. Raises: CrmError."""
    try:
        tree: Element = fromstring(answer.text)
    except ParseError:
        raise CrmError(
            f"Salesforce's Metadata API returned {answer.status} without XML.",
            "Check `instance_url`.",
        ) from None
    return tree


def check_created(tree: Element) -> None:
    """Raises: CrmError if a component could not be created."""
    fault = next(tree.iter("faultcode"), None)
    if fault is not None:
        code = str(fault.text).rpartition(":")[2]
        raise CrmError(
            f"Salesforce's Metadata API refused the call ({code}).",
            "Grant the user Customize Application, or create the fields by hand.",
        )

    for result in tree.iter(f"{{{METADATA}}}result"):
        if result.findtext(f"{{{METADATA}}}success") == "true":
            continue
        codes = {str(code.text) for code in result.iter(f"{{{METADATA}}}statusCode")}
        # What exists may only have been hidden from the user, and is granted like the rest.
        codes.discard(EXISTS)
        if codes:
            name = result.findtext(f"{{{METADATA}}}fullName")
            raise CrmError(
                f"Salesforce could not create {name} ({', '.join(sorted(codes))}).",
                "Create it by hand, or grant the user Customize Application.",
            )
