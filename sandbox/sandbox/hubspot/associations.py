"""HubSpot's associations, v4."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.api import HubSpot
from sandbox.hubspot.batches import batch, error_item, inputs_of
from sandbox.hubspot.properties import OBJECT_TYPES
from sandbox.hubspot.state import Portal, RowError

ASSOCIATION_LIMIT = 2000
"""Inputs of v4 batch/create and batch/associate/default. Source: HubSpot, Associations v4 guide, 2026-11."""
ASSOCIATION_READ_LIMIT = 1000

route = HubSpot.router.add


@route("POST", "/crm/v4/associations/{kind}/{to_kind}/batch/associate/default")
def associate_default(api: HubSpot, call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Link pairs by the default type."""
    results, errors = [], []
    for one in inputs_of(call, ASSOCIATION_LIMIT):
        from_id, to_id = str(one["from"]["id"]), str(one["to"]["id"])
        try:
            number = portal.associate(kind, from_id, to_kind, to_id, None)
        except RowError as error:
            errors.append(error_item(error, {"fromObjectId": [from_id], "toObjectId": [to_id]}))
            continue
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
        results.append({"from": {"id": from_id}, "to": {"id": to_id}, "associationSpec": spec})
    return batch(api, results, errors)


@route("POST", "/crm/v4/associations/{kind}/{to_kind}/batch/create")
def associate_typed(api: HubSpot, call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Link pairs by given types."""
    results, errors = [], []
    for one in inputs_of(call, ASSOCIATION_LIMIT):
        from_id, to_id = str(one["from"]["id"]), str(one["to"]["id"])
        try:
            for spec in one["types"]:
                portal.associate(kind, from_id, to_kind, to_id, spec["associationTypeId"])
        except RowError as error:
            errors.append(error_item(error, {"fromObjectId": [from_id], "toObjectId": [to_id]}))
            continue
        results.append(
            {
                "fromObjectTypeId": OBJECT_TYPES[kind],
                "fromObjectId": from_id,
                "toObjectTypeId": OBJECT_TYPES[to_kind],
                "toObjectId": to_id,
                "labels": [],
            }
        )
    return batch(api, results, errors, 201)


@route("POST", "/crm/v4/associations/{kind}/{to_kind}/batch/read")
def read_associations(api: HubSpot, call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Links of records."""
    results = []
    for one in inputs_of(call, ASSOCIATION_READ_LIMIT):
        found = association_items(portal, kind, str(one["id"]), to_kind)
        if found:
            results.append({"from": {"id": str(one["id"])}, "to": found})
    return batch(api, results, [])


def association_items(
    portal: Portal, kind: str, record_id: str, to_kind: str
) -> list[dict[str, Any]]:
    """The other ends, as v4 shows them."""
    return [
        {
            "toObjectId": link["id"],
            "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": link["type"]}],
        }
        for link in portal.links(kind, record_id)
        if link["object"] == to_kind
    ]


@route("PUT", "/crm/v4/objects/{kind}/{record_id}/associations/default/{to_kind}/{to_id}")
def put_default(
    api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str, to_kind: str, to_id: str
) -> Reply:
    """Link two records by the default type."""
    number = portal.associate(kind, record_id, to_kind, to_id, None)
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
    return batch(
        api, [{"from": {"id": record_id}, "to": {"id": to_id}, "associationSpec": spec}], []
    )


@route("PUT", "/crm/v4/objects/{kind}/{record_id}/associations/{to_kind}/{to_id}")
def put_typed(
    api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str, to_kind: str, to_id: str
) -> Reply:
    """Link two records by given types."""
    for spec in call.json() or []:
        portal.associate(kind, record_id, to_kind, to_id, spec["associationTypeId"])
    ends = {
        "fromObjectTypeId": OBJECT_TYPES[kind],
        "fromObjectId": record_id,
        "toObjectTypeId": OBJECT_TYPES[to_kind],
        "toObjectId": to_id,
    }
    return Reply(201, {**ends, "labels": []})


@route("GET", "/crm/v4/objects/{kind}/{record_id}/associations/{to_kind}")
def list_associations(
    api: HubSpot, call: Call, portal: Portal, kind: str, record_id: str, to_kind: str
) -> Reply:
    """Links of one record."""
    items = association_items(portal, kind, record_id, to_kind)
    for item in items:
        item["toObjectId"] = int(item["toObjectId"])
    return Reply(200, {"results": items}, rows=len(items))
