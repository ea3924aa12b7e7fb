"""What HubSpot's `describe` cannot tell about its objects, as data for the core."""

from __future__ import annotations

from dataclasses import replace

from reverse_etl.objects import Lane, ObjectSpec

BATCH_LIMIT = 100
"""Inputs of an object batch. Source: HubSpot, Using object APIs, read 2026-11-23."""
ASSOCIATION_LIMIT = 2000
"""Inputs of an association batch create.
Source: HubSpot, Associations v4 guide, read 2026-11-23."""
ASSOCIATION_READ_LIMIT = 1000
"""Inputs of an association batch read.
Source: HubSpot, Associations v4 guide, read 2026-11-23."""
ASSOCIATION_ARCHIVE_LIMIT = 100
"""Inputs of a batch that removes associations.
Source: HubSpot, Associations v4 guide, read 2026-11-23: 100 for batch/archive; batch/labels/archive
has no limit of its own there."""
SEARCH_LIMIT = 200
"""Results of a page of a search. Source: HubSpot, Search the CRM, read 2026-11-29."""
SEARCH_VALUES = 100
"""Values of a filter with IN. No page of HubSpot's that we found gives a limit; other connectors
send a hundred. Source: rudderlabs/rudder-transformer pull request 2907, read 2026-11-29."""
BATCH = (Lane("batch", 1, BATCH_LIMIT),)
RECORD_ID = "hs_object_id"

ANY_OBJECT = ObjectSpec(
    "",
    BATCH,
    upserts=True,
    unique_keys=True,
    find_rows_a_call=BATCH_LIMIT,
    locate_rows_a_call=BATCH_LIMIT,
    updates_follow_merges=True,
    finds_match_apart=True,
    owner_field="hubspot_owner_id",
)
"""An object whose records are upserted by a unique property."""
NEEDED = "HubSpot requires it"
OBJECTS = {
    "contacts": replace(ANY_OBJECT, name="contacts", person=True),
    "deals": replace(ANY_OBJECT, name="deals", required={"dealname": NEEDED, "dealstage": NEEDED}),
    "tickets": replace(
        ANY_OBJECT, name="tickets", required={"subject": NEEDED, "hs_pipeline_stage": NEEDED}
    ),
    "products": replace(ANY_OBJECT, name="products", required={"name": NEEDED}),
    "notes": ObjectSpec(
        "notes",
        BATCH,
        upserts=False,
        unique_keys=False,
        find_rows_a_call=ASSOCIATION_READ_LIMIT,
        locate_rows_a_call=BATCH_LIMIT,
        required={"hs_timestamp": NEEDED},
        file_rows=(1, BATCH_LIMIT),
        marker_in="hs_note_body",
    ),
}
STANDARD = (
    *("contacts", "companies", "deals", "tickets", "products", "line_items", "leads", "quotes"),
    *("notes", "tasks", "calls", "meetings", "emails", "orders", "invoices", "appointments"),
)
"""HubSpot's own objects, to suggest the one that was meant: the API does not list them."""

FOLDS_CASE = {("contacts", "email")}
EXTRA_EMAILS = "hs_additional_emails"
"""A contact's further addresses, joined with `;`: looking up any of them finds the contact, too."""
FILES = "hs_attachment_ids"
"""The property of notes and other activities that holds the ids of their files."""
