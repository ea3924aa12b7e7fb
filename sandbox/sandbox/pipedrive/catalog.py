"""Which objects a company has: their fields, what a write may say, what listings and search take.

Source: Pipedrive's published openapi-v2.yaml and openapi-v1.yaml (2026-08); the types of standard
fields are those of a recorded GET /v1/dealFields (2025-07), by the names that v2 gives them.
"""

from __future__ import annotations

KINDS = {
    "persons": "person",
    "deals": "deal",
    "organizations": "organization",
    "products": "product",
    "activities": "activity",
    "leads": "lead",
}
"""The emulated records, and the singular of each."""

FIELD_LISTS = {
    "person": "persons",
    "deal": "deals",
    "organization": "organizations",
    "product": "products",
    "activity": "activities",
}
"""What `personFields` and its like describe. Leads inherit the custom fields of deals."""

FIXED_FIELDS = ("activity",)
"""Fields that the API lists but does not create."""

OWNERS = {"person_id": "persons", "deal_id": "deals", "org_id": "organizations", "lead_id": "leads"}
"""What a note belongs to, by the field that names it."""
FILE_OWNERS = {**OWNERS, "product_id": "products", "activity_id": "activities"}
"""What a file belongs to, by the field that names it."""

COMMON = {"owner_id": "user", "add_time": "date", "update_time": "date", "visible_to": "visible_to"}
FIELDS = {
    "persons": {
        "name": "varchar",
        **COMMON,
        "org_id": "org",
        "email": "varchar",
        "phone": "phone",
        "label_ids": "set",
        "marketing_status": "enum",
    },
    "deals": {
        "title": "varchar",
        **COMMON,
        "person_id": "people",
        "org_id": "org",
        "pipeline_id": "double",
        "stage_id": "stage",
        "value": "monetary",
        "status": "status",
        "probability": "int",
        "lost_reason": "varchar",
        "stage_change_time": "date",
        "close_time": "date",
        "won_time": "date",
        "lost_time": "date",
        "expected_close_date": "date",
        "label_ids": "set",
    },
    "organizations": {
        "name": "varchar",
        **COMMON,
        "address": "address",
        "label_ids": "set",
        "people_count": "int",
        "open_deals_count": "int",
    },
    "products": {
        "name": "varchar",
        **COMMON,
        "code": "varchar",
        "description": "text",
        "unit": "varchar",
        "tax": "double",
        "category": "enum",
        "is_linkable": "boolean",
    },
    "activities": {
        "subject": "varchar",
        "type": "enum",
        **COMMON,
        "deal_id": "deal",
        "lead_id": "lead",
        "person_id": "people",
        "org_id": "org",
        "due_date": "date",
        "due_time": "time",
        "duration": "time",
        "busy": "boolean",
        "done": "boolean",
        "location": "address",
        "public_description": "text",
        "note": "text",
    },
}
"""Type of each standard field as the fields API describes it, by code.

The specification's example has `phone` for what the records hold as `phones`.
"""

OPTIONAL_IN_RESPONSE = frozenset({"people_count", "open_deals_count"})
"""Fields that a record shows only where the parameter for further fields asks for them."""

SUBFIELDS = {
    "monetary": {"value": ("Amount", "double"), "currency": ("Currency", "varchar")},
    "address": {
        "value": ("Address value", "varchar"),
        "street_number": ("House number", "varchar"),
        "route": ("Street/road name", "varchar"),
        "subpremise": ("Apartment/suite", "varchar"),
        "locality": ("District", "varchar"),
        "admin_area_level_1": ("State/province", "varchar"),
        "admin_area_level_2": ("County", "varchar"),
        "country": ("Country", "varchar"),
        "postal_code": ("Postal code", "varchar"),
        "formatted_address": ("Formatted address", "varchar"),
    },
}
"""Parts of a value, by the field's type: what each is called before `of` the field, and its type.

Source: the examples of GET /dealFields and GET /organizationFields.
"""

BODY = {
    "persons": {
        "name": "name",
        "owner_id": "id",
        "org_id": "organizations",
        "add_time": "text",
        "update_time": "text",
        "emails": "emails",
        "phones": "entries",
        "visible_to": "id",
        "label_ids": "ids",
        "marketing_status": "text",
    },
    "deals": {
        "title": "name",
        "owner_id": "id",
        "person_id": "persons",
        "org_id": "organizations",
        "pipeline_id": "id",
        "stage_id": "stage",
        "value": "number",
        "currency": "currency",
        "is_deleted": "boolean",
        "is_archived": "boolean",
        "archive_time": "text",
        "status": "status",
        "probability": "number",
        "lost_reason": "text",
        "visible_to": "id",
        "close_time": "text",
        "won_time": "text",
        "lost_time": "text",
        "expected_close_date": "date",
        "label_ids": "ids",
    },
    "organizations": {
        "name": "name",
        "owner_id": "id",
        "add_time": "text",
        "update_time": "text",
        "visible_to": "id",
        "label_ids": "ids",
        "address": "address",
    },
    "products": {
        "name": "name",
        "code": "text",
        "description": "text",
        "unit": "text",
        "tax": "number",
        "category": "number",
        "owner_id": "id",
        "is_linkable": "boolean",
        "visible_to": "id",
        "prices": "prices",
    },
    "activities": {
        "subject": "text",
        "type": "text",
        "owner_id": "id",
        "deal_id": "deals",
        "lead_id": "leads",
        "person_id": "persons",
        "org_id": "organizations",
        "participants": "participants",
        "due_date": "date",
        "due_time": "text",
        "duration": "text",
        "busy": "boolean",
        "done": "boolean",
        "location": "address",
        "public_description": "text",
        "note": "text",
    },
    "leads": {
        "title": "name",
        "owner_id": "id",
        "person_id": "persons",
        "organization_id": "organizations",
        "value": "amount",
        "expected_close_date": "date",
        "was_seen": "boolean",
        "is_archived": "boolean",
    },
}
"""What the body of a write may hold, and which kind of value; an object's name means its ids."""

REQUIRED = {
    "persons": ("name",),
    "deals": ("title",),
    "organizations": ("name",),
    "products": ("name",),
    "activities": (),
    "leads": ("title",),
}
READ_ONLY = {"activities": ("person_id",)}
"""Links that a write cannot name: an activity's person is its primary participant.

Source: Pipedrive API v2 migration guide, Activities, read 2026-11-29.
"""
CUSTOM_OF = {"leads": "deals"}
"""Whose custom fields an object has, where they are not its own."""
NO_CUSTOM = ("activities",)
"""Objects whose writes take no `custom_fields`."""

PAGED = frozenset({"limit", "cursor", "ids"})
LISTED_BY = {
    "persons": PAGED | {"updated_since"},
    "deals": PAGED | {"updated_since", "person_id", "org_id"},
    "organizations": PAGED | {"updated_since"},
    "products": PAGED,
    "activities": PAGED | {"updated_since", "deal_id", "lead_id", "person_id", "org_id"},
    "leads": frozenset({"start", "limit", "person_id", "organization_id", "updated_since"}),
}
"""Parameters of a listing that the emulator acts on; it refuses others by name."""

SEARCHED = {
    "persons": ("custom_fields", "email", "name"),
    "deals": ("custom_fields", "title"),
    "organizations": ("custom_fields", "name", "address"),
    "products": ("custom_fields", "name", "code"),
    "leads": ("custom_fields", "title"),
}
"""Fields that the search of each object looks into."""


def fields_of(kind: str) -> str:
    """The object whose custom fields an object has."""
    return CUSTOM_OF.get(kind, kind)
