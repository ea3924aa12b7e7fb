"""Salesforce's objects, as data for the core."""

from __future__ import annotations

from dataclasses import replace

from reverse_etl.objects import Lane, LinkForm, ObjectSpec

NAME = "Name"
"""The field that every object has, and that is made with the object."""
COLLECTION_LIMIT = 200
"""Rows of an sObject collection.
Source: Salesforce REST API guide, sObject Collections, read 2026-11-23."""
QUERIES_PER_COMPOSITE = 5
"""Queries in one composite call. Source: Salesforce REST API guide, Composite, read 2026-11-23."""
LOOKUPS_PER_QUERY = 200
"""Lookups in one query: far below SOQL's 100,000 characters."""
LOOKUPS_PER_CALL = LOOKUPS_PER_QUERY * QUERIES_PER_COMPOSITE
RETRIEVE_LIMIT = 2000
"""Records of a collection that is read by id.
Source: Salesforce REST API guide, Get Records Using sObject Collections with a Request Body,
read 2026-11-29."""
DEFAULT_BULK_THRESHOLD = 2000
"""Writes from which a job is the better way.
Source: Salesforce, Bulk API 2.0 guide, read 2026-11-23."""
JOB_ROWS = 150_000
"""Rows of a job, a guess for the report's least number of calls: an upload is limited in bytes."""
JOB_CALLS = 5
"""Create, upload, start, one poll, results."""
QUERY_JOB_CALLS = 3
"""Create, one poll, results."""

DEFAULT_OBJECT = ObjectSpec(
    "",
    (Lane("collections", 1, COLLECTION_LIMIT),),
    upserts=True,
    unique_keys=True,
    find_rows_a_call=LOOKUPS_PER_CALL,
    locate_rows_a_call=RETRIEVE_LIMIT,
    owner_field="OwnerId",
    file_rows=(1,),
)
"""Any object: its records are upserted by an external ID."""
CONTACT_OF_OPPORTUNITY = LinkForm(
    "Contact",
    "reference",
    field="ContactId",
    on_create=True,
    rows_a_call=COLLECTION_LIMIT,
    later=True,
)
"""Set on creation; a contact that comes later gets a role by a call."""
OBJECTS = {
    "Contact": replace(DEFAULT_OBJECT, name="Contact", person=True),
    "Lead": replace(DEFAULT_OBJECT, name="Lead", person=True),
    "Opportunity": replace(
        DEFAULT_OBJECT, name="Opportunity", links={"Contact": CONTACT_OF_OPPORTUNITY}
    ),
}
"""What is special; `describe` says the rest."""


def with_bulk(spec: ObjectSpec, threshold: int) -> ObjectSpec:
    """An object that is written, and looked up, by jobs from this many rows on."""
    job = Lane("bulk", threshold, JOB_ROWS, job=True, calls=JOB_CALLS)
    return replace(spec, lanes=(*spec.lanes, job), find_job=(threshold, QUERY_JOB_CALLS))
