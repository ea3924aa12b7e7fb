"""Objects and fields by the Metadata API, and access to them by a permission set of the running user's.

What exists is left as it is: only what is missing is created. A new field is invisible until it is granted.
Source: metadata WSDL v63; Metadata API developer guide, createMetadata, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.ElementTree import ParseError, fromstring
from reverse_etl.crm.http import SETUP, Answer, Upload
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted

from target_salesforce.api import errors_of, quoted
from target_salesforce.objects import COLLECTION_LIMIT, LABELS, PERMISSION_SET

COMPONENTS_A_CALL = 10
"""Components of one createMetadata. Source: Metadata API developer guide, createMetadata, read 2026-11-23."""
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
METADATA = "http://soap.sforce.com/2006/04/metadata"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
KEY_LENGTH, TEXT_LENGTH, LONG_LENGTH = 100, 255, 131_072
"""Characters of a key, of a text, and of a long text area at its longest."""
THERE_ALREADY = "DUPLICATE_DEVELOPER_NAME"
NUMBER = {"precision": 18, "scale": 4, "type": "Number"}
OBJECT_RIGHTS = ("PermissionsCreate", "PermissionsRead", "PermissionsEdit")


@dataclass(slots=True)
class Provisioner:
    """Creates what is missing in one org."""

    call: Callable[..., Answer]
    version: str
    token: Callable[[], str]
    user_id: Callable[[], str]

    def create_object(self, object_name: str) -> None:
        """A custom object, with automatic numbers for names. Raises: CrmError."""
        label, plural = LABELS.get(
            object_name, (object_name.removesuffix("__c").replace("_", " "),) * 2
        )
        self._create("CustomObject", [{"fullName": object_name, **object_metadata(label, plural)}])
        rights = dict.fromkeys(OBJECT_RIGHTS, True)
        self._grant("ObjectPermissions", [{"SobjectType": object_name, **rights}])

    def create_fields(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Custom fields, readable and editable for the running user. Raises: CrmError."""
        for one in wanted:
            if not one.name.endswith("__c"):
                raise CrmError(
                    f"{object_name} has no field {one.name}, and only custom fields (…__c) can be created.",
                    "Check its name in the rule.",
                )
        made = [
            {"fullName": f"{object_name}.{one.name}", **field_metadata(object_name, one)}
            for one in wanted
        ]
        for start in range(0, len(made), COMPONENTS_A_CALL):
            self._create("CustomField", made[start : start + COMPONENTS_A_CALL])
        rights = {"SobjectType": object_name, "PermissionsRead": True, "PermissionsEdit": True}
        self._grant(
            "FieldPermissions", [{"Field": f"{object_name}.{one.name}", **rights} for one in wanted]
        )

    def _create(self, kind: str, components: Sequence[Mapping[str, Any]]) -> None:
        """One createMetadata; what is there already may only be hidden, and is granted all the same. Raises: CrmError."""
        body = envelope(self.token(), kind, components)
        upload = Upload(
            lambda: body, {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
        )
        path = f"/services/Soap/m/{self.version.removeprefix('v')}"
        answer = self.call("POST", path, SETUP, upload=upload, final=frozenset({500}))
        try:
            tree = fromstring(answer.text)
        except ParseError:
            raise CrmError(
                f"Salesforce's Metadata API answered {answer.status} and no XML.",
                "Check `instance_url`.",
            ) from None
        fault = next(tree.iter("faultcode"), None)
        if fault is not None:
            code = str(fault.text).rpartition(":")[2]
            raise CrmError(
                f"Salesforce's Metadata API refuses ({code}).",
                "Grant Customize Application, or create the fields by hand.",
            )
        for result in tree.iter(f"{{{METADATA}}}result"):
            codes = {str(one.text) for one in result.iter(f"{{{METADATA}}}statusCode")} - {
                THERE_ALREADY
            }
            if result.findtext(f"{{{METADATA}}}success") != "true" and codes:
                name = result.findtext(f"{{{METADATA}}}fullName")
                hint = "Create it by hand, or grant Customize Application."
                raise CrmError(
                    f"Salesforce could not create {name} ({', '.join(sorted(codes))}).", hint
                )

    # Access

    def _grant(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of the permission set. Raises: CrmError."""
        permission_set = self._permission_set()
        records = [
            {"attributes": {"type": kind}, "ParentId": permission_set, **row} for row in rows
        ]
        for start in range(0, len(records), COLLECTION_LIMIT):
            body = {"allOrNone": False, "records": records[start : start + COLLECTION_LIMIT]}
            answer = self.call("POST", "/composite/sobjects", SETUP, body)
            for one in answer.body if isinstance(answer.body, list) else []:
                if not one.get("success") and one["errors"][0]["statusCode"] != "DUPLICATE_VALUE":
                    code = one["errors"][0]["statusCode"]
                    raise CrmError(
                        f"Salesforce could not grant access by {kind} ({code}).",
                        "Grant it by hand.",
                    )

    def _permission_set(self) -> str:
        """The id of our permission set, made and assigned where it is not. Raises: CrmError."""
        user_id = self.user_id()
        found = self._query_one(
            f"SELECT Id FROM PermissionSet WHERE Name = {quoted(PERMISSION_SET['Name'])}"
        )
        permission_set = found or self._row("PermissionSet", dict(PERMISSION_SET))
        test = f"PermissionSetId = {quoted(permission_set)} AND AssigneeId = {quoted(user_id)}"
        if self._query_one(f"SELECT Id FROM PermissionSetAssignment WHERE {test}") is None:
            self._row(
                "PermissionSetAssignment",
                {"PermissionSetId": permission_set, "AssigneeId": user_id},
            )
        return permission_set

    def _query_one(self, soql: str) -> str | None:
        answer = self.call("GET", f"/query?q={quote(soql)}", SETUP)
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Salesforce answered {answer.status} to a query.", "Check the user's permissions."
            )
        return str(answer.body["records"][0]["Id"]) if answer.body["records"] else None

    def _row(self, object_name: str, body: object) -> str:
        answer = self.call("POST", f"/sobjects/{object_name}", SETUP, body)
        if not answer.ok or not isinstance(answer.body, dict):
            codes = ", ".join(str(one.get("errorCode")) for one in errors_of(answer.body))
            raise CrmError(
                f"Salesforce could not create a {object_name} ({codes}).",
                "Grant Manage Profiles and Permission Sets, or do it by hand.",
            )
        return str(answer.body["id"])


def object_metadata(label: str, plural: str) -> dict[str, Any]:
    """A custom object's metadata, in the WSDL's order."""
    name_field = {"displayFormat": "{00000000}", "label": f"{label} Number", "type": "AutoNumber"}
    return {
        "deploymentStatus": "Deployed",
        "label": label,
        "nameField": name_field,
        "pluralLabel": plural,
        "sharingModel": "ReadWrite",
    }


def field_metadata(object_name: str, one: FieldWanted) -> dict[str, Any]:
    """A custom field's metadata, in the WSDL's order."""
    label = one.name.removesuffix("__c").replace("_", " ")
    metadata: dict[str, Any] = {"label": label}
    if one.refers:
        plural = LABELS.get(object_name, (object_name, object_name))[1]
        metadata |= {"deleteConstraint": "SetNull", "referenceTo": one.refers, "type": "Lookup"}
        metadata |= {"relationshipLabel": plural, "relationshipName": plural.replace(" ", "_")}
        return in_order(metadata)
    match one.kind:
        case "number":
            metadata |= NUMBER
        case "integer":
            metadata |= NUMBER | {"scale": 0}
        case "boolean":
            metadata |= {"type": "Checkbox", "defaultValue": "false"}
        case "date":
            metadata |= {"type": "Date"}
        case "datetime":
            metadata |= {"type": "DateTime"}
        case "choice":
            values = [
                {"fullName": value, "default": False, "label": value} for value in one.options
            ]
            metadata |= {
                "type": "Picklist",
                "valueSet": {
                    "restricted": True,
                    "valueSetDefinition": {"sorted": False, "value": values},
                },
            }
        case _ if one.long_text:
            metadata |= {"type": "LongTextArea", "length": LONG_LENGTH, "visibleLines": 5}
        case _:
            metadata |= {"type": "Text", "length": KEY_LENGTH if one.unique else TEXT_LENGTH}
    if one.unique:
        metadata |= {"externalId": True, "unique": True, "caseSensitive": False}
    return in_order(metadata)


def in_order(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Elements as the WSDL orders them: by name."""
    return dict(sorted(metadata.items()))


def envelope(token: str, kind: str, components: Iterable[Mapping[str, Any]]) -> bytes:
    """A createMetadata message."""
    root = Element(
        "env:Envelope", {"xmlns:env": ENVELOPE, "xmlns:xsi": INSTANCE, "xmlns": METADATA}
    )
    SubElement(
        SubElement(SubElement(root, "env:Header"), "SessionHeader"), "sessionId"
    ).text = token
    call = SubElement(SubElement(root, "env:Body"), "createMetadata")
    for component in components:
        add(SubElement(call, "metadata", {"xsi:type": kind}), component)
    message: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return message


def add(element: Element, content: Mapping[str, Any]) -> None:
    """Content as child elements, lists as repeated ones."""
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            child = SubElement(element, name)
            if isinstance(one, Mapping):
                add(child, one)
            else:
                child.text = str(one).lower() if isinstance(one, bool) else str(one)
