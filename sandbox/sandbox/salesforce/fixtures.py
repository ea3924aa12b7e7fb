"""What a new org has: standard objects and their fields, users, limits.

Source: describe responses of Contact, Opportunity and OpportunityContactRole recorded from a real
org (API 52.0).
"""

from __future__ import annotations

from typing import Any

from sandbox.salesforce.fields import Field, read_only, reference
from sandbox.salesforce.ids import long_id

DAILY_CALLS = 100_000
VERSIONS = range(52, 68)
STAGES = (
    "Prospecting",
    "Qualification",
    "Needs Analysis",
    "Value Proposition",
    "Id. Decision Makers",
    "Perception Analysis",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
)
OBJECT_RIGHTS = ("Create", "Read", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")
PREFIXES = {
    "Contact": "003",
    "Opportunity": "006",
    "Account": "001",
    "OpportunityContactRole": "00K",
    "PermissionSet": "0PS",
    "PermissionSetAssignment": "0Pa",
    "FieldPermissions": "01k",
    "ObjectPermissions": "110",
    "ContentVersion": "068",
    "ContentDocument": "069",
    "ContentDocumentLink": "06A",
    "User": "005",
    "Organization": "00D",
}
"""The first three characters of the ids of each object."""

SYSTEM = (
    Field("Id", "id", 18, createable=False, updateable=False, required=True, lookup=True),
    read_only("IsDeleted", "boolean"),
    read_only("CreatedDate", "datetime"),
    read_only("LastModifiedDate", "datetime"),
    read_only("SystemModstamp", "datetime"),
)
"""Fields that every object has."""

OWNER = reference("OwnerId", "User")
CUSTOM_OBJECT = (read_only("Name", "string", 80), OWNER)
"""Fields of a new custom object whose names are automatic numbers."""

CONTACT = (
    Field("LastName", length=80, required=True),
    Field("FirstName", length=40),
    read_only("Name", length=121),
    Field("Salutation", "picklist", 40),
    Field("Email", "email", 80, lookup=True),
    Field("Phone", "phone", 40),
    Field("MobilePhone", "phone", 40),
    Field("Title", length=128),
    Field("Department", length=80),
    Field("Description", "textarea", 32000),
    reference("AccountId", "Account"),
    Field("MailingCity", length=40),
    Field("MailingCountry", length=80),
    Field("LeadSource", "picklist", 255),
    OWNER,
)
OPPORTUNITY = (
    Field("Name", length=120, required=True),
    Field("StageName", "picklist", 255, required=True, values=STAGES),
    Field("CloseDate", "date", required=True),
    Field("Amount", "currency", scale=2),
    reference("ContactId", "Contact", updateable=False),
    reference("AccountId", "Account"),
    Field("Description", "textarea", 32000),
    Field("Probability", "percent"),
    Field("NextStep", length=255),
    Field("Type", "picklist", 255),
    Field("LeadSource", "picklist", 255),
    read_only("IsClosed", "boolean"),
    read_only("IsWon", "boolean"),
    OWNER,
)
OBJECTS = {
    "Contact": CONTACT,
    "Opportunity": OPPORTUNITY,
    "OpportunityContactRole": (
        reference("OpportunityId", "Opportunity", updateable=False, required=True),
        reference("ContactId", "Contact", required=True),
        Field("Role", "picklist", 255),
        Field("IsPrimary", "boolean"),
    ),
    "Account": (Field("Name", length=255, required=True), OWNER),
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
        read_only("ContentDocumentId", "reference", 18, "ContentDocument"),
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
    "Organization": (Field("Name"),),
}
"""The objects of a new org, and the fields they have beside those of SYSTEM."""


def described(fields: tuple[Field, ...]) -> dict[str, dict[str, Any]]:
    """The fields of an object by name."""
    return {field.name: field.described() for field in (*SYSTEM, *fields)}


def standard_objects() -> dict[str, dict[str, dict[str, Any]]]:
    """The objects of a new org, each name to its fields."""
    return {name: described(fields) for name, fields in OBJECTS.items()}


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
