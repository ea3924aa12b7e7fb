"""HubSpot's merge of two records of an object.

A new record takes the place of both, and their ids lead to it. The primary record's values stand;
what it lacks comes from the other.
Source: HubSpot changelog, "Updated merge functionality for contacts and companies", and POST
/crm/objects/2026-03/{objectType}/merge, read 2026-11-29.
"""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.hubspot.errors import invalid_json, not_found
from sandbox.hubspot.responses import record_body
from sandbox.hubspot.state import Portal, Record

NEVER_MERGED = ("hs_object_id", "createdate", "lastmodifieddate", "hs_merged_object_ids")


def merge(call: Call, portal: Portal, kind: str) -> Reply:
    """Merge `objectIdToMerge` into `primaryObjectId`.

    Raises: RefusedError.
    """
    body = call.json() or {}
    names = ("primaryObjectId", "objectIdToMerge")
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise invalid_json(missing)
    primary, other = (live(portal, kind, str(body[name])) for name in names)
    return Reply(200, record_body(merged(portal, kind, primary, other)))


def live(portal: Portal, kind: str, record_id: str) -> Record:
    """A live record.

    Raises: RefusedError.
    """
    record = portal.find(kind, record_id)
    if record is None:
        raise not_found(f"Object not found.  objectId are usually numeric: {record_id}")
    return record


def merged(portal: Portal, kind: str, primary: Record, other: Record) -> Record:
    """The record that takes the place of both."""
    values = {
        name: primary["properties"].get(name) or other["properties"].get(name) or ""
        for name in {**other["properties"], **primary["properties"]}
        if name not in NEVER_MERGED
    }
    emails = (primary["properties"].get("email"), other["properties"].get("email"))
    if kind == "contacts" and all(emails):
        values["hs_additional_emails"] = str(emails[1])
    for record in (primary, other):
        portal.archive(kind, record)
    new = portal.write(kind, None, values)
    new["properties"]["hs_merged_object_ids"] = ";".join(
        part
        for record in (primary, other)
        for part in (record["properties"].get("hs_merged_object_ids"), str(record["id"]))
        if part
    )
    for record in (primary, other):
        portal.lead_to(kind, str(record["id"]), str(new["id"]))
    return new
