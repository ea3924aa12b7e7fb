"""Salesforce's standard objects as far as they are emulated: fields, types, lengths, picklists.

Source: describe answers of Contact, Opportunity and OpportunityContactRole recorded from a real org (API 52.0).
"""

from __future__ import annotations

from typing import Any

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


def field(
    name: str, kind: str = "string", length: int = 0, *, create: bool = True, update: bool = True, required: bool = False,
    values: tuple[str, ...] = (), refers: str = "", lookup: bool = False, label: str = "", scale: int = 0,
    external: bool = False, unique: bool = False, restricted: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A field as describe shows it."""
    return {
        "name": name,
        "label": label or name,
        "type": kind,
        "length": length,
        "precision": 18 if kind in ("double", "currency", "percent") else 0,
        "scale": scale,
        "createable": create,
        "updateable": update,
        "nillable": not required,
        "defaultedOnCreate": False,
        "custom": name.endswith("__c"),
        "externalId": external,
        "unique": unique,
        "caseSensitive": False,
        "idLookup": lookup or external,
        "restrictedPicklist": restricted,
        "picklistValues": [
            {"value": value, "label": value, "active": True, "defaultValue": False}
            for value in values
        ],
        "referenceTo": [refers] if refers else [],
        "relationshipName": relationship(name) if refers else None,
        "calculated": False,
        "filterable": True,
    }


def relationship(name: str) -> str:
    """The relationship of a look-up: `ContactId` is Contact, `Contact__c` is Contact__r."""
    return name.removesuffix("Id") if name.endswith("Id") else name.removesuffix("__c") + "__r"


def fixed(name: str, kind: str = "string", length: int = 0, refers: str = "") -> dict[str, Any]:
    """A field that only Salesforce sets."""
    return field(name, kind, length, create=False, update=False, refers=refers)


def system_fields() -> list[dict[str, Any]]:
    """Fields that every object has."""
    return [
        field("Id", "id", 18, create=False, update=False, required=True, lookup=True),
        fixed("IsDeleted", "boolean"),
        fixed("CreatedDate", "datetime"),
        fixed("LastModifiedDate", "datetime"),
        fixed("SystemModstamp", "datetime"),
    ]


def custom_object() -> dict[str, dict[str, Any]]:
    """Fields of a new custom object whose names are automatic numbers."""
    own = [fixed("Name", "string", 80), field("OwnerId", "reference", 18, refers="User")]
    return {one["name"]: one for one in [*system_fields(), *own]}


def standard_objects() -> dict[str, dict[str, dict[str, Any]]]:
    """Objects of a new org, each name to its fields."""
    system = system_fields()
    owner = field("OwnerId", "reference", 18, refers="User")
    contact = [
        field("LastName", "string", 80, required=True), field("FirstName", "string", 40), fixed("Name", "string", 121),
        field("Salutation", "picklist", 40), field("Email", "email", 80, lookup=True), field("Phone", "phone", 40),
        field("MobilePhone", "phone", 40), field("Title", "string", 128), field("Department", "string", 80),
        field("Description", "textarea", 32000), field("AccountId", "reference", 18, refers="Account"),
        field("MailingCity", "string", 40), field("MailingCountry", "string", 80), field("LeadSource", "picklist", 255), owner,
    ]  # fmt: skip
    opportunity = [
        field("Name", "string", 120, required=True), field("StageName", "picklist", 255, required=True, values=STAGES),
        field("CloseDate", "date", required=True), field("Amount", "currency", scale=2),
        field("ContactId", "reference", 18, update=False, refers="Contact"), field("AccountId", "reference", 18, refers="Account"),
        field("Description", "textarea", 32000), field("Probability", "percent"), field("NextStep", "string", 255),
        field("Type", "picklist", 255), field("LeadSource", "picklist", 255), fixed("IsClosed", "boolean"),
        fixed("IsWon", "boolean"), owner,
    ]  # fmt: skip
    role = [
        field("OpportunityId", "reference", 18, update=False, required=True, refers="Opportunity"),
        field("ContactId", "reference", 18, required=True, refers="Contact"), field("Role", "picklist", 255),
        field("IsPrimary", "boolean"),
    ]  # fmt: skip
    others = {
        "Account": [field("Name", "string", 255, required=True), owner],
        "PermissionSet": [field("Name", "string", 80, required=True), field("Label", "string", 80, required=True), field("Description", "string", 255)],  # noqa: E501
        "PermissionSetAssignment": [field("PermissionSetId", "reference", 18, refers="PermissionSet"), field("AssigneeId", "reference", 18, refers="User")],  # noqa: E501
        "FieldPermissions": [
            field("ParentId", "reference", 18, refers="PermissionSet"), field("SobjectType"), field("Field"),
            field("PermissionsRead", "boolean"), field("PermissionsEdit", "boolean"),
        ],
        "ObjectPermissions": [
            field("ParentId", "reference", 18, refers="PermissionSet"), field("SobjectType"),
            *(field(f"Permissions{name}", "boolean") for name in OBJECT_RIGHTS),
        ],
        "ContentVersion": [
            field("Title", "string", 255, required=True), field("PathOnClient", "string", 500, required=True),
            field("VersionData", "base64"), field("FirstPublishLocationId", "reference", 18, update=False, refers="*"),
            fixed("ContentDocumentId", "reference", 18, refers="ContentDocument"), fixed("ContentSize", "int"), owner,
        ],
        "ContentDocument": [
            field("Title", "string", 255), field("LatestPublishedVersionId", "reference", 18, refers="ContentVersion"), owner,
        ],
        "ContentDocumentLink": [
            field("ContentDocumentId", "reference", 18, refers="ContentDocument"), field("LinkedEntityId", "reference", 18, refers="*"),
            field("ShareType", "picklist", 40),
        ],
        "User": [field("Username"), field("Email", "email"), field("IsActive", "boolean")],
        "Organization": [field("Name")],
    }  # fmt: skip
    every = {
        "Contact": contact,
        "Opportunity": opportunity,
        "OpportunityContactRole": role,
        **others,
    }
    return {
        name: {one["name"]: dict(one) for one in [*system, *fields]}
        for name, fields in every.items()
    }
