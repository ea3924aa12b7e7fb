"""HubSpot's deletion for good, of contacts and of files.

Source: HubSpot's specifications of contacts (PublicGdprDeleteInput) and of files, read 2026-11-30.
What becomes of a contact that is in the recycle bin is not documented: here it is unknown.
"""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.hubspot.errors import NotEmulatedError, invalid_json, not_found
from sandbox.hubspot.state import Portal


def purge_contact(call: Call, portal: Portal, kind: str) -> Reply:
    """Delete a contact for good, by its id.

    Raises: RefusedError, NotEmulatedError.
    """
    body = call.json() or {}
    if kind != "contacts" or "idProperty" in body:
        raise NotEmulatedError(f"gdpr-delete of {kind}, or by idProperty")
    if not body.get("objectId"):
        raise invalid_json(["objectId"])
    record = portal.find(kind, str(body["objectId"]))
    if record is None:
        raise not_found(f"Object not found.  objectId are usually numeric: {body['objectId']}")
    portal.archive(kind, record)
    del portal.records[kind][str(record["id"])]
    end = (kind, str(record["id"]))
    for other in portal.associations.pop(end, {}):
        portal.associations[other].pop(end, None)
    return Reply(204)


def purge_file(call: Call, portal: Portal, file_id: str) -> Reply:
    """Delete a file for good.

    Raises: RefusedError.
    """
    if file_id not in portal.files:
        raise not_found(f"File not found: {file_id}")
    del portal.files[file_id]
    return Reply(204)
