"""The properties and groups of a new portal.

Source: HubSpot's guide to each object, read 2026-11-29. Lifecycle stages and lead statuses are the
defaults of a new portal, which the customer may edit.
"""

from __future__ import annotations

from typing import Any

from sandbox.hubspot.fixtures import DEAL_STAGES, TICKET_STAGES

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
PRIORITY = ("LOW", "MEDIUM", "HIGH")
TASK_STATUS = ("COMPLETED", "DEFERRED", "IN_PROGRESS", "NOT_STARTED", "WAITING")
TICKET_CATEGORY = ("PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY")

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
COMPANY_TEXTS = ("name", "domain", "phone", "website", "description", "city", "country", "zip")


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


def choice(name: str, *options: str) -> dict[str, Any]:
    """A property with options."""
    return definition(name, "enumeration", options=options)


def texts(*names: str) -> list[dict[str, Any]]:
    """Properties that hold text."""
    return [definition(name) for name in names]


def numbers(*names: str) -> list[dict[str, Any]]:
    """Properties that hold a number."""
    return [definition(name, "number") for name in names]


def common_properties() -> list[dict[str, Any]]:
    """Properties that every object has, custom objects included."""
    return [
        definition("hs_object_id", "number", read_only=True),
        definition("createdate", "datetime", read_only=True),
        definition("lastmodifieddate", "datetime", read_only=True),
        definition("hubspot_owner_id", "enumeration"),
    ]


def contact_properties() -> list[dict[str, Any]]:
    """Properties of contacts; e-mail addresses are unique."""
    properties = texts(*CONTACT_TEXTS)
    properties[0]["hasUniqueValue"] = True
    return [
        *properties,
        choice("lifecyclestage", *LIFECYCLE),
        choice("hs_lead_status", *LEAD_STATUS),
    ]


def company_properties() -> list[dict[str, Any]]:
    """Properties of companies; a domain is not unique when companies are created by API."""
    return [
        *texts(*COMPANY_TEXTS),
        *numbers("numberofemployees", "annualrevenue"),
        choice("lifecyclestage", *LIFECYCLE),
    ]


def deal_properties() -> list[dict[str, Any]]:
    """Properties of deals."""
    return [
        *texts("dealname", "description"),
        *numbers("amount"),
        choice("pipeline", "default", "7000"),
        choice("dealstage", *DEAL_STAGES, "7000", "7001", "7002", "7003"),
        definition("closedate", "datetime"),
        choice("dealtype", "newbusiness", "existingbusiness"),
        choice("deal_currency_code", "USD", "EUR"),
    ]


def ticket_properties() -> list[dict[str, Any]]:
    """Properties of tickets."""
    stages = [str(order + 1) for order in range(len(TICKET_STAGES))]
    return [
        *texts("subject", "content"),
        choice("hs_pipeline", "0"),
        choice("hs_pipeline_stage", *stages),
        choice("hs_ticket_priority", *PRIORITY, "URGENT"),
        choice("hs_ticket_category", *TICKET_CATEGORY),
    ]


def activity_properties(kind: str) -> list[dict[str, Any]]:
    """Properties of notes, tasks, calls and meetings."""
    common = [definition("hs_timestamp", "datetime"), *texts("hs_attachment_ids")]
    match kind:
        case "notes":
            return [*common, *texts("hs_note_body")]
        case "tasks":
            return [
                *common,
                *texts("hs_task_subject", "hs_task_body"),
                choice("hs_task_status", *TASK_STATUS),
                choice("hs_task_priority", "NONE", *PRIORITY),
            ]
        case "calls":
            return [*common, *texts("hs_call_title", "hs_call_body"), *numbers("hs_call_duration")]
    return [
        *common,
        *texts("hs_meeting_title", "hs_meeting_body", "hs_meeting_location"),
        definition("hs_meeting_start_time", "datetime"),
        definition("hs_meeting_end_time", "datetime"),
    ]


def default_properties() -> dict[str, dict[str, dict[str, Any]]]:
    """The properties of a new portal, by object and name."""
    special = {
        "contacts": contact_properties(),
        "companies": company_properties(),
        "deals": deal_properties(),
        "tickets": ticket_properties(),
        "products": [
            *texts("name", "description", "hs_sku", "hs_url"),
            *numbers("price", "hs_cost_of_goods_sold"),
        ],
        "line_items": [
            *texts("name", "description", "hs_sku", "hs_product_id"),
            *numbers("quantity", "price"),
            definition("amount", "number", read_only=True),
        ],
        **{kind: activity_properties(kind) for kind in ("notes", "tasks", "calls", "meetings")},
    }

    properties = {}
    for kind, definitions in special.items():
        every = [*common_properties(), *definitions]
        properties[kind] = {entry["name"]: entry for entry in every}
    return properties


def property_group(name: str, label: str, order: int = 0) -> dict[str, Any]:
    """A property group as HubSpot defines it."""
    return {"name": name, "label": label, "displayOrder": order, "archived": False}
