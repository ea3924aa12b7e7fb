"""Pipedrive's leads, which API v1 has: UUIDs for ids, custom fields beside the others.

Source: Pipedrive's published openapi-v1.yaml (2026-08); custom fields are in the form of v1's
deals, as the v2 migration guide shows it.
"""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.pipedrive.catalog import LISTED_BY
from sandbox.pipedrive.errors import RefusedError, invalid
from sandbox.pipedrive.records import body_of, narrowed
from sandbox.pipedrive.responses import only, success, v1_body, v1_page
from sandbox.pipedrive.state import Company, Record

KIND = "leads"
CURRENCY = "_currency"
"""What v1 appends to a custom field's key for its currency."""
HIDDEN = ("custom_fields", "is_deleted")


def lead_of(company: Company, number: str) -> Record:
    """The lead a path names.

    Raises: RefusedError.
    """
    lead = company.living(KIND, number)
    if lead is None:
        raise RefusedError("requested lead not found", 404, "Object was not found.")
    return lead


def lead_body(company: Company, lead: Record) -> Record:
    """A lead as v1 shows it; fields that are not set do not appear."""
    shown = {name: value for name, value in lead.items() if name not in HIDDEN}
    shown["visible_to"] = str(lead["visible_to"])
    for key, value in lead["custom_fields"].items():
        if isinstance(value, list):
            shown[key] = ",".join(map(str, value))
        elif isinstance(value, dict) and "currency" in value:
            shown |= {key: value["value"], key + CURRENCY: value["currency"]}
        else:
            shown[key] = value
    return v1_body(shown)


def checked(company: Company, call: Call) -> dict[str, Any]:
    """The body of a write, its custom fields in the form of v2.

    Raises: RefusedError.
    """
    values, custom = {}, {}
    known = company.custom(KIND)
    sent = body_of(call)
    for name, value in sent.items():
        key = name.removesuffix(CURRENCY)
        if key not in known:
            values[name] = value
        elif name == key:
            custom[key] = custom_value(known[key]["field_type"], value, sent.get(key + CURRENCY))
    return {**values, "custom_fields": custom} if custom else values


def custom_value(field_type: str, value: Any, currency: Any) -> Any:
    """A custom field's value in the form of v2.

    Raises: RefusedError.
    """
    if field_type == "monetary" and value is not None:
        return {"value": value, "currency": currency}
    if field_type == "set" and isinstance(value, str):
        parts = value.split(",")
        if not all(part.isdigit() for part in parts):
            raise invalid("options")
        return [int(part) for part in parts]
    return value


def check_linked(lead: Record) -> None:
    """Refuse a lead without a person and an organization.

    Raises: RefusedError.
    """
    if lead.get("person_id") is None and lead.get("organization_id") is None:
        raise invalid("a lead must be linked to a person or an organization")


def list_live(call: Call, company: Company) -> Reply:
    """A page of leads, by what they belong to or since a change where asked."""
    return listing(call, company, archived=False)


def list_archived(call: Call, company: Company) -> Reply:
    """A page of archived leads."""
    return listing(call, company, archived=True)


def listing(call: Call, company: Company, *, archived: bool) -> Reply:
    """The page of leads that a call asks for.

    Raises: RefusedError.
    """
    only(call, LISTED_BY[KIND] - ({"updated_since"} if archived else set()))
    leads = [
        lead
        for lead in company.records[KIND].values()
        if lead["is_archived"] == archived and not lead["is_deleted"]
    ]
    return v1_page(call, [lead_body(company, lead) for lead in narrowed(call, leads)])


def create(call: Call, company: Company) -> Reply:
    """Create a lead."""
    values = checked(company, call)
    company.check(KIND, values, creating=True)
    check_linked(values)
    return success(lead_body(company, company.write(KIND, None, values)), status=201)


def get(call: Call, company: Company, number: str) -> Reply:
    """Read a lead."""
    return success(lead_body(company, lead_of(company, number)), rows=1)


def update(call: Call, company: Company, number: str) -> Reply:
    """Update a lead."""
    lead, values = lead_of(company, number), checked(company, call)
    company.check(KIND, values, creating=False)
    check_linked({**lead, **values})
    return success(lead_body(company, company.write(KIND, lead, values)))


def delete(call: Call, company: Company, number: str) -> Reply:
    """Delete a lead."""
    lead = lead_of(company, number)
    lead["is_deleted"] = True
    return success({"id": lead["id"]})
