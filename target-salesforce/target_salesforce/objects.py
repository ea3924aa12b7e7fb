"""Salesforce's objects, as data for the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reverse_etl.objects import Lane, LinkForm, ObjectSpec

COLLECTION_LIMIT = 200
"""Rows of an sObject collection. Source: Salesforce REST API guide, sObject Collections, read 2026-11-23."""
COMPOSITE_QUERIES = 5
"""Queries in one composite. Source: Salesforce REST API guide, Composite, read 2026-11-23."""
KEYS_A_QUERY = 200
"""Look-ups in one query: far below SOQL's 100,000 characters."""
DEFAULT_BULK_THRESHOLD = 2000
"""Writes from which a job is the better means. Source: Salesforce, Bulk API 2.0 guide, read 2026-11-23."""
JOB_ROWS = 150_000
"""Rows of a job, as a guess for the least number of calls; what ends an upload is its size."""
JOB_CALLS, QUERY_JOB_CALLS = 5, 3
"""Create, upload, start, a poll, results; and create, a poll, results."""
COLLECTIONS = (Lane("collections", 1, COLLECTION_LIMIT),)
FIND_ROWS = KEYS_A_QUERY * COMPOSITE_QUERIES

OBJECTS = {
    "Contact": ObjectSpec(
        "Contact",
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=FIND_ROWS,
        owner_field="OwnerId",
        required={"LastName": "Salesforce requires it"},
    ),
    "Opportunity": ObjectSpec(
        "Opportunity",
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=FIND_ROWS,
        owner_field="OwnerId",
        links={
            "Contact": LinkForm(
                "Contact",
                "reference",
                field="ContactId",
                on_create=True,
                rows_a_call=COLLECTION_LIMIT,
                later=True,
            )
        },
        required=dict.fromkeys(("Name", "StageName", "CloseDate"), "Salesforce requires it"),
    ),
}
OBJECTS |= {
    "CanAI_Deliverable__c": ObjectSpec(
        "CanAI_Deliverable__c",
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=FIND_ROWS,
        owner_field="OwnerId",
        links={"Contact": LinkForm("Contact", "reference", field="Contact__c")},
        file_rows=(1,),
    ),
    "CanAI_Platform_Metric__c": ObjectSpec(
        "CanAI_Platform_Metric__c",
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=FIND_ROWS,
        owner_field="OwnerId",
    ),
}
LABELS = {
    "CanAI_Deliverable__c": ("CanAI Deliverable", "CanAI Deliverables"),
    "CanAI_Platform_Metric__c": ("CanAI Platform Metric", "CanAI Platform Metrics"),
}
"""Singular and plural of objects that `provision` may create."""
PERMISSION_SET = {
    "Name": "CanAI_Sync",
    "Label": "CanAI Sync",
    "Description": "Read and edit access to the fields that the CanAI sync writes.",
}
"""Grants field-level security on provisioned fields: a new field is invisible until it is granted."""


def with_bulk(threshold: int) -> Mapping[str, ObjectSpec]:
    """The objects with the lane of jobs from this many rows on."""
    job = Lane("bulk", threshold, JOB_ROWS, job=True, calls=JOB_CALLS)
    return {
        name: replace(one, lanes=(*one.lanes, job), find_job=(threshold, QUERY_JOB_CALLS))
        for name, one in OBJECTS.items()
    }
