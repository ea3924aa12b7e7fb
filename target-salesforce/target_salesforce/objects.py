"""Salesforce's objects, as data for the core."""

from __future__ import annotations

from reverse_etl.adapter import Lane, LinkForm, ObjectSpec

COLLECTION_LIMIT = 200
"""Rows of an sObject collection. Source: Salesforce REST API guide, sObject Collections, read 2026-11-23."""
COMPOSITE_QUERIES = 5
"""Queries in one composite. Source: Salesforce REST API guide, Composite, read 2026-11-23."""
KEYS_A_QUERY = 200
"""Look-ups in one query: far below SOQL's 100,000 characters."""
COLLECTIONS = (Lane("collections", 1, COLLECTION_LIMIT),)
FIND_ROWS = KEYS_A_QUERY * COMPOSITE_QUERIES

OBJECTS = {
    "Contact": ObjectSpec(
        "Contact",
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=FIND_ROWS,
        required={"LastName": "Salesforce requires it"},
    ),
    "Opportunity": ObjectSpec(
        "Opportunity",
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=FIND_ROWS,
        links={"Contact": LinkForm("Contact", "reference", field="ContactId", on_create=True)},
        required=dict.fromkeys(("Name", "StageName", "CloseDate"), "Salesforce requires it"),
    ),
}
PERMISSION_SET = {
    "Name": "CanAI_Sync",
    "Label": "CanAI Sync",
    "Description": "Read and edit access to the fields that the CanAI sync writes.",
}
"""Grants field-level security on provisioned fields: a new field is invisible until it is granted."""
