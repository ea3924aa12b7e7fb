"""HubSpot's objects, as data for the core."""

from __future__ import annotations

from reverse_etl.objects import Lane, LinkForm, ObjectSpec

BATCH_LIMIT = 100
"""Inputs of an object batch. Source: HubSpot, Using object APIs, read 2026-11-23."""
ASSOCIATION_LIMIT = 2000
"""Inputs of an association batch create. Source: HubSpot, Associations v4 guide, read 2026-11-23."""
ASSOCIATION_READ_LIMIT = 1000
"""Inputs of an association batch read. Source: HubSpot, Associations v4 guide, read 2026-11-23."""
ASSOCIATION_TYPES = {("deals", "contacts"): 3, ("notes", "contacts"): 202}
"""HubSpot's own type ids, by direction. Source: HubSpot, Associations guide, read 2026-11-23."""
OWNER_FIELD = "hubspot_owner_id"
BATCH = (Lane("batch", 1, BATCH_LIMIT),)

OBJECTS = {
    "contacts": ObjectSpec(
        "contacts",
        BATCH,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=BATCH_LIMIT,
        finds_match_apart=True,
        owner_field=OWNER_FIELD,
    ),
    "deals": ObjectSpec(
        "deals",
        BATCH,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=BATCH_LIMIT,
        owner_field=OWNER_FIELD,
        links={"contacts": LinkForm("contacts", "association", rows_a_call=ASSOCIATION_LIMIT)},
        required={"dealname": "HubSpot requires it"},
    ),
    "notes": ObjectSpec(
        "notes",
        BATCH,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=ASSOCIATION_READ_LIMIT,
        links={"contacts": LinkForm("contacts", "reference", field="contact", on_create=True)},
        required={"hs_timestamp": "HubSpot requires it"},
        file_rows=(1, BATCH_LIMIT),
    ),
    "canai_platform_metric": ObjectSpec(
        "canai_platform_metric",
        BATCH,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=BATCH_LIMIT,
        optional=True,
    ),
}
CUSTOM = {
    "canai_platform_metric": {
        "singular": "CanAI platform metric",
        "plural": "CanAI platform metrics",
    }
}
"""Custom objects that `provision` may create, and their labels."""
FOLDS_CASE = {("contacts", "email")}
EXTRA_EMAILS = "hs_additional_emails"
"""A contact's further addresses, joined with `;`: a look-up by one of them finds the contact, too."""
GROUP = {"name": "canai", "label": "CanAI"}
"""The property group of provisioned properties."""
