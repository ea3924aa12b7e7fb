"""What a new portal has: properties, groups, pipelines, owners, association types, limits.

Source: HubSpot's CRM object guides, read 2026-11-23. Lifecycle stages, lead statuses and deal
stages are the defaults of a new portal, which the customer may edit.
"""

from __future__ import annotations

from typing import Any

BURST = (250, 10.0)
"""Calls per 10 s of an account with the API limit increase.

Source: HubSpot, API usage guidelines, 2026-11.
"""

OBJECT_TYPES = {"contacts": "0-1", "companies": "0-2", "deals": "0-3", "notes": "0-46"}
SINGULARS = {"contact": "contacts", "company": "companies", "deal": "deals", "note": "notes"}
TYPE_NAMES = {
    **{number: name for name, number in OBJECT_TYPES.items()},
    **{name: name for name in OBJECT_TYPES},
    **SINGULARS,
}
"""Every name that a path may use for a standard object."""

LIFECYCLE = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
LEAD_STATUS = (
    "NEW",
    "OPEN",
    "IN_PROGRESS",
    "OPEN_DEAL",
    "UNQUALIFIED",
    "ATTEMPTED_TO_CONTACT",
    "CONNECTED",
    "BAD_TIMING",
)
DEAL_STAGES = (
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "decisionmakerboughtin",
    "contractsent",
    "closedwon",
    "closedlost",
)
PARTNER_STAGES = ((1, "Qualified to Buy"), (4, "Contract sent"), (5, "Won"), (6, "Lost"))
"""Stages of the second pipeline: the place of the deal stage they resemble, and their label."""

ASSOCIATIONS = {
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("notes", "contacts"): 202,
    ("contacts", "notes"): 201,
    ("notes", "deals"): 214,
    ("deals", "notes"): 213,
}
"""The default association type from one object to another."""

FIELD_TYPES = {
    "number": "number",
    "datetime": "date",
    "date": "date",
    "enumeration": "select",
    "bool": "booleancheckbox",
}
DEFAULT_GROUP = "contactinformation"
CONTACT_TEXTS = (
    "email",
    "firstname",
    "lastname",
    "phone",
    "company",
    "jobtitle",
    "website",
    "city",
    "state",
    "country",
    "zip",
    "address",
    "hs_additional_emails",
)
COMMON_PROPERTIES = ("hs_object_id", "createdate", "lastmodifieddate", "hubspot_owner_id")
"""Properties that every object has, custom objects included."""

OWNERS = (("1", "owner", "Sam", "Owner"), ("2", "ada", "Ada", "Sales"))


def definition(
    name: str, kind: str = "string", *, options: tuple[str, ...] = (), read_only: bool = False
) -> dict[str, Any]:
    """A property as HubSpot defines it."""
    return {
        "name": name,
        "label": name,
        "type": kind,
        "fieldType": FIELD_TYPES.get(kind, "text"),
        "groupName": DEFAULT_GROUP,
        "description": "",
        "options": [
            {"label": value, "value": value, "displayOrder": order, "hidden": False}
            for order, value in enumerate(options)
        ],
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": True,
        "modificationMetadata": {
            "archivable": False,
            "readOnlyDefinition": True,
            "readOnlyValue": read_only,
        },
    }


def common_properties() -> list[dict[str, Any]]:
    """The properties named by COMMON_PROPERTIES."""
    return [
        definition("hs_object_id", "number", read_only=True),
        definition("createdate", "datetime", read_only=True),
        definition("lastmodifieddate", "datetime", read_only=True),
        definition("hubspot_owner_id", "enumeration"),
    ]


def contact_properties() -> list[dict[str, Any]]:
    """Properties of contacts; e-mail addresses are unique."""
    texts = [definition(name) for name in CONTACT_TEXTS]
    texts[0]["hasUniqueValue"] = True
    return [
        *texts,
        definition("lifecyclestage", "enumeration", options=LIFECYCLE),
        definition("hs_lead_status", "enumeration", options=LEAD_STATUS),
    ]


def deal_properties() -> list[dict[str, Any]]:
    """Properties of deals."""
    stages = (*DEAL_STAGES, "7000", "7001", "7002", "7003")
    return [
        definition("dealname"),
        definition("description"),
        definition("amount", "number"),
        definition("pipeline", "enumeration", options=("default", "7000")),
        definition("dealstage", "enumeration", options=stages),
        definition("closedate", "datetime"),
        definition("dealtype", "enumeration", options=("newbusiness", "existingbusiness")),
    ]


def default_properties() -> dict[str, dict[str, dict[str, Any]]]:
    """The properties of a new portal, by object and name."""
    companies = [definition("name"), definition("domain")]
    notes = [
        definition("hs_timestamp", "datetime"),
        definition("hs_note_body"),
        definition("hs_attachment_ids"),
    ]
    special = {
        "contacts": contact_properties(),
        "deals": deal_properties(),
        "companies": companies,
        "notes": notes,
    }

    properties = {}
    for kind, definitions in special.items():
        every = [*common_properties(), *definitions]
        properties[kind] = {entry["name"]: entry for entry in every}
    return properties


def property_group(name: str, label: str, order: int = 0) -> dict[str, Any]:
    """A property group as HubSpot defines it."""
    return {"name": name, "label": label, "displayOrder": order, "archived": False}


def deal_stage(stage: str, order: int, began: str) -> dict[str, Any]:
    """A stage of the default pipeline."""
    return {
        "id": stage,
        "label": stage,
        "displayOrder": order,
        "archived": False,
        "createdAt": began,
        "updatedAt": began,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "metadata": {
            "isClosed": str(stage.startswith("closed")).lower(),
            "probability": f"{min(order + 1, 10) / 10}",
        },
    }


def deal_pipelines(began: str) -> list[dict[str, Any]]:
    """The pipelines of deals, with their stages."""
    stages = [deal_stage(stage, order, began) for order, stage in enumerate(DEAL_STAGES)]

    partners = []
    for place, (like, label) in enumerate(PARTNER_STAGES):
        marks = {"id": str(7000 + place), "label": label, "displayOrder": place}
        partners.append({**stages[like], **marks})
    partners[2]["metadata"] = {"isClosed": "true", "probability": "1.0"}

    common = {"archived": False, "createdAt": began, "updatedAt": began}
    return [
        {"id": "default", "label": "Sales Pipeline", "displayOrder": 0, **common, "stages": stages},
        {"id": "7000", "label": "Partners", "displayOrder": 1, **common, "stages": partners},
    ]


def owners(now: str) -> list[dict[str, Any]]:
    """The owners of a portal."""
    return [
        {
            "id": number,
            "email": f"{name}@example.com",
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            "userId": int(number),
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
        }
        for number, name, first, last in OWNERS
    ]


def account_details(portal_id: int) -> dict[str, Any]:
    """What the account information API says of a portal."""
    return {
        "portalId": portal_id,
        "accountType": "STANDARD",
        "timeZone": "US/Eastern",
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": "-05:00",
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
