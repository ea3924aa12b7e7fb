"""Associations between records, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import CrmError, RowError

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, row_fault
from target_hubspot.objects import ASSOCIATION_READ_LIMIT, ASSOCIATION_TYPES, NOTES

Pair = tuple[str, str]
"""Ids of a record and of the record it is associated with."""


def association_type(object_name: str, to: str) -> dict[str, Any]:
    """The type of an association, one of HubSpot's own."""
    return {
        "associationCategory": "HUBSPOT_DEFINED",
        "associationTypeId": ASSOCIATION_TYPES[(object_name, to)],
    }


@dataclass(frozen=True, slots=True)
class Associations:
    """Associations of one account."""

    api: HubSpotApi

    def link(self, object_name: str, to: str, pairs: Sequence[Pair]) -> list[RowResult]:
        """Create associations; a result for each pair. Raises: CrmError.

        An association that exists already stays as it is.
        """
        types = [association_type(object_name, to)]
        inputs = [
            {"from": {"id": record_id}, "to": {"id": to_id}, "types": types}
            for record_id, to_id in pairs
        ]
        path = self.api.paths.associations(object_name, to, "batch/create")
        answer = self.api.post(path, Purpose(object_name, "link"), {"inputs": inputs})

        body = body_of(answer)
        if not answer.ok or not (body.get("results") or body.get("errors")):
            raise CrmError(
                f"HubSpot returned {answer.status} for a batch of associations.",
                "Run again: the next run creates the links that are missing.",
            )
        faults = faults_by_pair(body)
        return [
            RowResult(fault=faults[pair]) if pair in faults else RowResult(pair[0])
            for pair in pairs
        ]

    def notes_of(self, contacts: Sequence[str]) -> Iterator[Pair]:
        """Ids of the contacts' notes, each with its contact. Raises: CrmError."""
        path = self.api.paths.associations("contacts", NOTES, "batch/read")
        for start in range(0, len(contacts), ASSOCIATION_READ_LIMIT):
            batch = contacts[start : start + ASSOCIATION_READ_LIMIT]
            inputs = [{"id": contact} for contact in batch]
            answer = self.api.post(path, Purpose(NOTES, "find"), {"inputs": inputs})
            if not answer.ok or not isinstance(answer.body, dict):
                raise CrmError(
                    f"HubSpot returned {answer.status} for a read of associations.",
                    "Run again. If the problem persists, check the token's read scopes.",
                )
            for item in answer.body.get("results") or []:
                for end in item["to"]:
                    yield str(end["toObjectId"]), str(item["from"]["id"])


def faults_by_pair(body: Any) -> dict[Pair, RowError]:
    """Errors of a batch of associations. Raises: CrmError if one would fail every row."""
    faults: dict[Pair, RowError] = {}
    for item in body.get("errors") or []:
        context = item.get("context") or {}
        ends = context.get("fromObjectId", []), context.get("toObjectId", [])
        faults |= dict.fromkeys(zip(*ends, strict=False), row_fault(item))
    return faults
