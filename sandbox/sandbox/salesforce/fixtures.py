"""What a new org has: objects and their fields, users, currencies, limits."""

from __future__ import annotations

from typing import Any

from sandbox.salesforce.fields import Field, read_only, reference
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.standard import BUSINESS_OBJECTS, OWNER, SYSTEM

DAILY_CALLS = 100_000
VERSIONS = range(52, 68)
OBJECT_RIGHTS = ("Create", "Read", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")
PREFIXES = {
    "Contact": "003",
    "Opportunity": "006",
    "Account": "001",
    "OpportunityContactRole": "00K",
    "Campaign": "701",
    "Case": "500",
    "Lead": "00Q",
    "Product2": "01t",
    "CurrencyType": "01L",
    "PermissionSet": "0PS",
    "PermissionSetAssignment": "0Pa",
    "FieldPermissions": "01k",
    "ObjectPermissions": "110",
    "ContentVersion": "068",
    "ContentDocument": "069",
    "ContentDocumentLink": "06A",
    "User": "005",
    "Organization": "00D",
    "DuplicateRule": "0Bm",
}
"""The first three characters of the ids of each object."""

NUMBERED = read_only("Name", "string", 80, defaulted=True, lookup=True)
"""The name of a custom object's records, where it is an automatic number."""
NAMED = Field("Name", "string", 80, defaulted=True, lookup=True)
"""The name of a custom object's records, where it is text."""

OBJECTS = {
    **BUSINESS_OBJECTS,
    "PermissionSet": (
        Field("Name", length=80, required=True),
        Field("Label", length=80, required=True),
        Field("Description", length=255),
    ),
    "PermissionSetAssignment": (
        reference("PermissionSetId", "PermissionSet"),
        reference("AssigneeId", "User"),
    ),
    "FieldPermissions": (
        reference("ParentId", "PermissionSet"),
        Field("SobjectType"),
        Field("Field"),
        Field("PermissionsRead", "boolean"),
        Field("PermissionsEdit", "boolean"),
    ),
    "ObjectPermissions": (
        reference("ParentId", "PermissionSet"),
        Field("SobjectType"),
        *(Field(f"Permissions{right}", "boolean") for right in OBJECT_RIGHTS),
    ),
    "ContentVersion": (
        Field("Title", length=255, required=True),
        Field("PathOnClient", length=500, required=True),
        Field("VersionData", "base64"),
        reference("FirstPublishLocationId", "*", updateable=False),
        read_only("ContentDocumentId", "reference", 18, refers_to=("ContentDocument",)),
        read_only("ContentSize", "int"),
        OWNER,
    ),
    "ContentDocument": (
        Field("Title", length=255),
        reference("LatestPublishedVersionId", "ContentVersion"),
        OWNER,
    ),
    "ContentDocumentLink": (
        reference("ContentDocumentId", "ContentDocument"),
        reference("LinkedEntityId", "*"),
        Field("ShareType", "picklist", 40),
    ),
    "User": (Field("Username"), Field("Email", "email"), Field("IsActive", "boolean")),
    "Organization": (
        Field("Name"),
        Field("IsSandbox", "boolean"),
        Field("OrganizationType", "picklist", 40),
    ),
    "DuplicateRule": (
        Field("MasterLabel"),
        Field("SobjectType", "picklist", 40),
        Field("IsActive", "boolean"),
    ),
    "CurrencyType": (
        Field("IsoCode", "picklist", 3, required=True),
        Field("ConversionRate", "double", scale=6, required=True),
        Field("DecimalPlaces", "int", required=True),
        Field("IsActive", "boolean"),
        read_only("IsCorporate", "boolean"),
    ),
}
"""The objects of a new org, and the fields they have beside those of SYSTEM."""


CURRENCIES = (("USD", True), ("EUR", True), ("GBP", False))
"""Currencies of an org with several, and whether they are active; the corporate one first."""
CURRENCY = Field(
    "CurrencyIsoCode",
    "picklist",
    3,
    values=tuple(code for code, active in CURRENCIES if active),
    restricted=True,
    label="Currency ISO Code",
)
"""The currency of a record, in an org with several.
Source: a describe of an org with several currencies, recorded in public; Object Reference, fields
of Product2, read 2026-11-29."""


def described(fields: tuple[Field, ...]) -> dict[str, dict[str, Any]]:
    """The fields of an object by name."""
    return {field.name: field.described() for field in (*SYSTEM, *fields)}


def standard_objects() -> dict[str, dict[str, dict[str, Any]]]:
    """The objects of a new org, each name to its fields."""
    return {name: described(fields) for name, fields in OBJECTS.items()}


def currencies() -> dict[str, dict[str, Any]]:
    """The currencies of an org with several, by id."""
    rows = {}
    for place, (code, active) in enumerate(CURRENCIES):
        row_id = long_id(PREFIXES["CurrencyType"], place + 1)
        rows[row_id] = {
            "Id": row_id,
            "IsoCode": code,
            "ConversionRate": 1.0,
            "DecimalPlaces": 2.0,
            "IsActive": active,
            "IsCorporate": place == 0,
        }
    return rows


def organization(name: str) -> dict[str, Any]:
    """The org itself."""
    return {
        "Name": f"Sandbox {name}",
        "IsSandbox": True,
        "OrganizationType": "Developer Edition",
    }


def duplicate_rules(*, is_active: bool) -> dict[str, dict[str, Any]]:
    """The duplicate rule that orgs come with, by id."""
    row_id = long_id(PREFIXES["DuplicateRule"], 1)
    rule = {"MasterLabel": "Standard Contact Duplicate Rule", "SobjectType": "Contact"}
    return {row_id: {"Id": row_id, **rule, "IsActive": is_active}}


def users(number: int, org_name: str) -> list[dict[str, Any]]:
    """The users of a new org: the one who signs in, a colleague, and one who has left."""
    people = (("sync", True), ("ada", True), ("gone", False))
    return [
        {
            "Id": long_id(PREFIXES["User"], number + place),
            "Username": f"{login}@{org_name}.example.com",
            "Email": f"{login}@example.com",
            "IsActive": active,
        }
        for place, (login, active) in enumerate(people)
    ]
