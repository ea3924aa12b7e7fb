"""HubSpot's associations, v4."""

from __future__ import annotations

import re
from typing import Any

from sandbox.http import Call, Reply
from sandbox.hubspot.batches import inputs_of
from sandbox.hubspot.errors import RefusedError, invalid, invalid_json, link_error
from sandbox.hubspot.responses import batch_reply, default_link, link_ends, list_reply, typed_link
from sandbox.hubspot.state import End, Portal

ASSOCIATION_LIMIT = 2000
"""Inputs of v4 batch/create and batch/associate/default.

Source: HubSpot, Associations v4 guide, 2026-11.
"""
ASSOCIATION_READ_LIMIT = 1000
ASSOCIATION_ARCHIVE_LIMIT = 100
LABEL_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
"""The internal name of a label: no hyphen, no digit at its start.

Source: HubSpot, Associations schema guide, read 2026-11-29.
"""


def associate_default(call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Link pairs by the default type."""
    results, errors = [], []
    for pair in inputs_of(call, ASSOCIATION_LIMIT):
        from_id, to_id = ends_of(pair)
        refused = missing_ends(portal, (kind, from_id), (to_kind, to_id))
        if refused:
            errors += refused
            continue
        known = portal.associate((kind, from_id), (to_kind, to_id))
        results.append(default_link(from_id, to_id, known))
    return batch_reply(portal, results, errors)


def associate_typed(call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Link pairs by given types."""
    results, errors = [], []
    for pair in inputs_of(call, ASSOCIATION_LIMIT):
        from_id, to_id = ends_of(pair)
        start, end = (kind, from_id), (to_kind, to_id)
        refused = missing_ends(portal, start, end)
        if refused:
            errors += refused
            continue
        try:
            types = [portal.associate(start, end, spec) for spec in pair["types"]]
        except RefusedError as error:
            errors.append(link_error(error, named=portal.switches["association_context"]))
            continue
        results.append(typed_link(portal, start, end, types))
    return batch_reply(portal, results, errors, 201)


def ends_of(pair: dict[str, Any]) -> tuple[str, str]:
    """The ids of the two records to link."""
    return str(pair["from"]["id"]), str(pair["to"]["id"])


def missing_ends(portal: Portal, start: End, end: End) -> list[dict[str, Any]]:
    """An error for each end of a pair that does not exist: a pair may have two.

    Source: recorded answers in public repositories (teamexos/hubspot-api-go), read 2026-11-29.
    """
    named = portal.switches["association_context"]
    return [link_error(error, named=named) for error in portal.missing_ends(start, end)]


def remove_types(call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Remove given types from pairs; types that a pair lacks are skipped."""
    for pair in inputs_of(call, ASSOCIATION_ARCHIVE_LIMIT):
        from_id, to_id = ends_of(pair)
        for spec in pair["types"]:
            portal.dissociate((kind, from_id), (to_kind, to_id), spec)
    return Reply(204, None)


def read_associations(call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """Links of records."""
    results = []
    for row in inputs_of(call, ASSOCIATION_READ_LIMIT):
        record_id = str(row["id"])
        ends = link_ends(portal, kind, record_id, to_kind)
        if ends:
            results.append({"from": {"id": record_id}, "to": ends})
    return batch_reply(portal, results)


def put_default(
    call: Call, portal: Portal, kind: str, record_id: str, to_kind: str, to_id: str
) -> Reply:
    """Link two records by the default type."""
    known = portal.associate((kind, record_id), (to_kind, to_id))
    return batch_reply(portal, [default_link(record_id, to_id, known)])


def put_typed(
    call: Call, portal: Portal, kind: str, record_id: str, to_kind: str, to_id: str
) -> Reply:
    """Link two records by given types."""
    start, end = (kind, record_id), (to_kind, to_id)
    types = [portal.associate(start, end, spec) for spec in call.json() or []]
    return Reply(201, typed_link(portal, start, end, types))


def list_associations(call: Call, portal: Portal, kind: str, record_id: str, to_kind: str) -> Reply:
    """Links of one record."""
    ends = link_ends(portal, kind, record_id, to_kind)
    for end in ends:
        # The single call gives ids as numbers, the batch call as text.
        end["toObjectId"] = int(end["toObjectId"])
    return Reply(200, {"results": ends}, rows=len(ends))


def list_labels(call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """The association types of two objects, in this direction."""
    types = portal.association_types.between(kind, to_kind)
    return list_reply([known.body for known in types])


def create_label(call: Call, portal: Portal, kind: str, to_kind: str) -> Reply:
    """A label of the portal's own, in both directions."""
    body = call.json() or {}
    missing = [name for name in ("label", "name") if not body.get(name)]
    if missing:
        raise invalid_json(missing)
    if not LABEL_NAME.match(body["name"]):
        raise invalid(f"{body['name']} is not a valid name of an association type")

    pair, inverse = (kind, to_kind), body.get("inverseLabel")
    types = portal.association_types.define(pair, body["label"], inverse)
    return list_reply([known.body for known in types])
