"""HubSpot's own properties, pipelines and association types, as far as they are emulated.

Source: HubSpot's CRM object guides and the open facts gathered 2026-11-23 (default lifecycle stages, lead statuses and
deal stages are what a new portal has; portals may edit them).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

OBJECT_TYPES = {"contacts": "0-1", "companies": "0-2", "deals": "0-3", "notes": "0-46"}
TYPE_NAMES = {number: name for name, number in OBJECT_TYPES.items()} | {name: name for name in OBJECT_TYPES} | {
    "contact": "contacts", "company": "companies", "deal": "deals", "note": "notes"
}  # fmt: skip
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
MAX_TEXT = 65_536
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
EPOCH_MS = re.compile(r"^-?\d{1,14}$")


def option(value: str, order: int) -> dict[str, Any]:
    """One option of an enumeration."""
    return {"label": value, "value": value, "displayOrder": order, "hidden": False}


def definition(
    name: str, kind: str = "string", *, options: tuple[str, ...] = (), read_only: bool = False
) -> dict[str, Any]:
    """A property as HubSpot defines it."""
    field_type = {
        "number": "number",
        "datetime": "date",
        "date": "date",
        "enumeration": "select",
        "bool": "booleancheckbox",
    }
    return {
        "name": name,
        "label": name,
        "type": kind,
        "fieldType": field_type.get(kind, "text"),
        "groupName": "contactinformation",
        "description": "",
        "options": [option(value, order) for order, value in enumerate(options)],
        "hasUniqueValue": False,
        "hidden": False,
        "hubspotDefined": True,
        "modificationMetadata": {
            "archivable": False,
            "readOnlyDefinition": True,
            "readOnlyValue": read_only,
        },
    }


def default_properties() -> dict[str, dict[str, dict[str, Any]]]:
    """The properties of a new portal, by object and name."""
    common = [
        definition("hs_object_id", "number", read_only=True),
        definition("createdate", "datetime", read_only=True),
        definition("lastmodifieddate", "datetime", read_only=True),
        definition("hubspot_owner_id", "enumeration"),
    ]
    contacts = [
        *[
            definition(name)
            for name in (
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
        ],
        definition("lifecyclestage", "enumeration", options=LIFECYCLE),
        definition("hs_lead_status", "enumeration", options=LEAD_STATUS),
    ]
    contacts[0]["hasUniqueValue"] = True
    deals = [
        definition("dealname"),
        definition("description"),
        definition("amount", "number"),
        definition("pipeline", "enumeration", options=("default", "7000")),
        definition(
            "dealstage", "enumeration", options=(*DEAL_STAGES, "7000", "7001", "7002", "7003")
        ),
        definition("closedate", "datetime"),
        definition("dealtype", "enumeration", options=("newbusiness", "existingbusiness")),
    ]
    companies = [definition("name"), definition("domain")]
    notes = [
        definition("hs_timestamp", "datetime"),
        definition("hs_note_body"),
        definition("hs_attachment_ids"),
    ]
    sets = {"contacts": contacts, "deals": deals, "companies": companies, "notes": notes}
    return {name: {one["name"]: dict(one) for one in [*common, *own]} for name, own in sets.items()}


def value_error(definition: dict[str, Any], value: str) -> tuple[str, str] | None:
    """HubSpot's error code and message for a value the property cannot hold, None where it can."""
    name, kind = definition["name"], definition["type"]
    if definition["modificationMetadata"]["readOnlyValue"]:
        return "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
    if value == "":
        return None
    if name == "email" and not EMAIL.match(value):
        return "INVALID_EMAIL", f"Email address {value} is invalid"
    if kind == "string" and len(value) > MAX_TEXT:
        return "VALUE_TOO_LONG", f"{name} is too long: the limit is {MAX_TEXT} characters"
    if kind == "number":
        try:
            float(value)
        except ValueError:
            return "INVALID_NUMBER", f'"{value}" was not a valid number.'
    if kind == "bool" and value not in ("true", "false"):
        return "INVALID_BOOLEAN", f'"{value}" was not a valid boolean.'
    if kind == "enumeration" and definition["options"]:
        known = {one["value"] for one in definition["options"]}
        if any(part not in known for part in value.split(";")):
            return "INVALID_OPTION", f"{value} was not one of the allowed options: {sorted(known)}"
    if kind in ("datetime", "date") and normal_time(kind, value) is None:
        return "INVALID_DATE", f"{value} was not a valid {kind}."
    return None


def normal_time(kind: str, value: str) -> str | None:
    """A date or date-time as HubSpot gives it back, None for one it does not take."""
    try:
        if EPOCH_MS.match(value):
            moment = datetime.fromtimestamp(int(value) / 1000, UTC)
        else:
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if kind == "date":
        return (
            moment.date().isoformat()
            if (moment.hour, moment.minute, moment.second) == (0, 0, 0)
            else None
        )
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def stored(definition: dict[str, Any], value: str) -> str:
    """A good value as HubSpot keeps it."""
    if value and definition["type"] in ("datetime", "date"):
        return normal_time(definition["type"], value) or value
    if value and definition["type"] == "number":
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return value.strip().lower() if definition["name"] == "email" else value
