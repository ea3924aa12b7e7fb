"""Associations between records, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import CrmError, RowError
from reverse_etl.objects import LinkForm

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, row_fault
from target_hubspot.link_types import spec_of
from target_hubspot.objects import ASSOCIATION_READ_LIMIT

Pair = tuple[str, str]
"""Ids of a record and of the record it is associated with."""


@dataclass(frozen=True, slots=True)
class Associations:
    """Associations of one account."""

    api: HubSpotApi

    def link(self, object_name: str, form: LinkForm, pairs: Sequence[Pair]) -> list[RowResult]:
        """Create associations; a result for each pair. Raises: CrmError.

        An association that exists already stays as it is.
        """
        types = [spec_of(form.type)]
        inputs = [
            {"from": {"id": record_id}, "to": {"id": to_id}, "types": types}
            for record_id, to_id in pairs
        ]
        path = self.api.paths.associations(object_name, form.to, "batch/create")
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

    def of(self, parent: str, object_name: str, parent_ids: Sequence[str]) -> Iterator[Pair]:
        """Ids of records that belong to others, each with that record's id. Raises: CrmError."""
        path = self.api.paths.associations(parent, object_name, "batch/read")
        for start in range(0, len(parent_ids), ASSOCIATION_READ_LIMIT):
            batch = parent_ids[start : start + ASSOCIATION_READ_LIMIT]
            inputs = [{"id": parent_id} for parent_id in batch]
            answer = self.api.post(path, Purpose(object_name, "find"), {"inputs": inputs})
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
