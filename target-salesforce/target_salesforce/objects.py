"""Salesforce's objects, as data for the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reverse_etl.objects import Lane, LinkForm, ObjectSpec

COLLECTION_LIMIT = 200
"""Rows of an sObject collection.
Source: Salesforce REST API guide, sObject Collections, read 2026-11-23."""
QUERIES_PER_COMPOSITE = 5
"""Queries in one composite call. Source: Salesforce REST API guide, Composite, read 2026-11-23."""
LOOKUPS_PER_QUERY = 200
"""Lookups in one query: far below SOQL's 100,000 characters."""
LOOKUPS_PER_CALL = LOOKUPS_PER_QUERY * QUERIES_PER_COMPOSITE
DEFAULT_BULK_THRESHOLD = 2000
"""Writes from which a job is the better way.
Source: Salesforce, Bulk API 2.0 guide, read 2026-11-23."""
JOB_ROWS = 150_000
"""Rows of a job, a guess for the report's least number of calls: an upload is limited in bytes."""
JOB_CALLS = 5
"""Create, upload, start, one poll, results."""
QUERY_JOB_CALLS = 3
"""Create, one poll, results."""
COLLECTIONS = (Lane("collections", 1, COLLECTION_LIMIT),)


def keyed(name: str) -> ObjectSpec:
    """An object whose records are upserted by an external ID, and have owners."""
    return ObjectSpec(
        name,
        COLLECTIONS,
        upserts=True,
        unique_keys=True,
        find_rows_a_call=LOOKUPS_PER_CALL,
        owner_field="OwnerId",
    )


CONTACT_OF_OPPORTUNITY = LinkForm(
    "Contact",
    "reference",
    field="ContactId",
    on_create=True,
    rows_a_call=COLLECTION_LIMIT,
    later=True,
)
"""Set on creation; a contact that comes later gets a role by a call."""
CONTACT_OF_DELIVERABLE = LinkForm("Contact", "reference", field="Contact__c")

OBJECTS = {
    "Contact": replace(keyed("Contact"), required={"LastName": "Salesforce requires it"}),
    "Opportunity": replace(
        keyed("Opportunity"),
        links={"Contact": CONTACT_OF_OPPORTUNITY},
        required=dict.fromkeys(("Name", "StageName", "CloseDate"), "Salesforce requires it"),
    ),
    "CanAI_Deliverable__c": replace(
        keyed("CanAI_Deliverable__c"),
        links={"Contact": CONTACT_OF_DELIVERABLE},
        file_rows=(1,),
    ),
    "CanAI_Platform_Metric__c": keyed("CanAI_Platform_Metric__c"),
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
"""Holds access to provisioned objects and fields."""


def with_bulk(threshold: int) -> Mapping[str, ObjectSpec]:
    """The objects, written by jobs from this many rows on."""
    job = Lane("bulk", threshold, JOB_ROWS, job=True, calls=JOB_CALLS)
    return {
        name: replace(spec, lanes=(*spec.lanes, job), find_job=(threshold, QUERY_JOB_CALLS))
        for name, spec in OBJECTS.items()
    }
