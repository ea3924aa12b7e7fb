"""HubSpot's objects, as data for the core."""

from __future__ import annotations

from dataclasses import replace

from reverse_etl.objects import Lane, LinkForm, ObjectSpec
from reverse_etl.values import FieldInfo

BATCH_LIMIT = 100
"""Inputs of an object batch. Source: HubSpot, Using object APIs, read 2026-11-23."""
ASSOCIATION_LIMIT = 2000
"""Inputs of an association batch create.
Source: HubSpot, Associations v4 guide, read 2026-11-23."""
ASSOCIATION_READ_LIMIT = 1000
"""Inputs of an association batch read.
Source: HubSpot, Associations v4 guide, read 2026-11-23."""
ASSOCIATION_TYPES = {("deals", "contacts"): 3, ("notes", "contacts"): 202}
"""HubSpot's own type ids, by direction. Source: HubSpot, Associations guide, read 2026-11-23."""
OWNER_FIELD = "hubspot_owner_id"
BATCH = (Lane("batch", 1, BATCH_LIMIT),)

NOTES = "notes"
MARKER, CONTACT, BODY, FILES = "marker", "contact", "hs_note_body", "hs_attachment_ids"
NOTE_FIELDS = {
    MARKER: FieldInfo(MARKER, "text", max_length=200, unique=True, trims=True),
    CONTACT: FieldInfo(CONTACT, "text"),
}
"""Fields of notes that are this package's own, not HubSpot's."""


def keyed(name: str) -> ObjectSpec:
    """An object whose records are upserted by a unique property."""
    return ObjectSpec(name, BATCH, upserts=True, unique_keys=True, find_rows_a_call=BATCH_LIMIT)


OBJECTS = {
    "contacts": replace(keyed("contacts"), finds_match_apart=True, owner_field=OWNER_FIELD),
    "deals": replace(
        keyed("deals"),
        owner_field=OWNER_FIELD,
        links={"contacts": LinkForm("contacts", "association", rows_a_call=ASSOCIATION_LIMIT)},
        required={"dealname": "HubSpot requires it"},
    ),
    NOTES: ObjectSpec(
        NOTES,
        BATCH,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=ASSOCIATION_READ_LIMIT,
        links={"contacts": LinkForm("contacts", "reference", field=CONTACT, on_create=True)},
        required={"hs_timestamp": "HubSpot requires it"},
        file_rows=(1, BATCH_LIMIT),
    ),
    "canai_platform_metric": replace(keyed("canai_platform_metric"), optional=True),
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
"""A contact's further addresses, joined with `;`: looking up any of them finds the contact, too."""
GROUP = {"name": "canai", "label": "CanAI"}
"""The property group of provisioned properties."""
