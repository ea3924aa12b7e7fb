"""Associations between records, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import CrmError, RowError
from reverse_etl.objects import LinkForm

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, row_fault
from target_hubspot.link_types import USERS, spec_of
from target_hubspot.objects import ASSOCIATION_ARCHIVE_LIMIT, ASSOCIATION_READ_LIMIT

Pair = tuple[str, str]
"""Ids of a record and of the record it is associated with."""
ENDS = {
    "crm.associations.FROM_OBJECT_NOT_FOUND": 0,
    "crm.associations.TO_OBJECT_NOT_FOUND": 1,
}
"""Which end of a pair does not exist, by the subcategory of an error.
Source: recorded answers in public repositories (teamexos/hubspot-api-go, its client tests),
read 2026-11-29."""
NO_VERDICT = "HubSpot's answer has no result for this association"


@dataclass(frozen=True, slots=True)
class Associations:
    """Associations of one account."""

    api: HubSpotApi

    def link(self, object_name: str, form: LinkForm, pairs: Sequence[Pair]) -> list[RowResult]:
        """Create associations; a result for each pair. Raises: CrmError.

        An association that exists already stays as it is.
        """
        body = self._create(object_name, form, pairs)
        if not (body.get("results") or body.get("errors")):
            raise unusable(200)
        results = results_of(body, pairs)
        unknown = [pair for pair in pairs if pair not in results] if len(pairs) > 1 else []
        for pair in unknown:
            # Nothing says what became of it. In a call of its own, it has a clear answer.
            results |= results_of(self._create(object_name, form, [pair]), [pair])
        no_verdict = RowResult(fault=RowError("no_verdict", NO_VERDICT, "sync the record again"))
        return [results.get(pair, no_verdict) for pair in pairs]

    def _create(self, object_name: str, form: LinkForm, pairs: Sequence[Pair]) -> Mapping[str, Any]:
        """The answer to one call. Raises: CrmError."""
        types = [spec_of(form.type)]
        inputs = [
            {"from": {"id": record_id}, "to": {"id": to_id}, "types": types}
            for record_id, to_id in pairs
        ]
        path = self.api.paths.associations(object_name, form.to, "batch/create")
        answer = self.api.post(path, Purpose(object_name, "link"), {"inputs": inputs})

        if not answer.ok:
            raise unusable(answer.status)
        return body_of(answer)

    def unlink(
        self, object_name: str, form: LinkForm, pairs: Sequence[Pair], *, plain: bool
    ) -> Sequence[Pair]:
        """Remove associations of a form; returns the pairs that had one removed. Raises: CrmError.

        A label goes alone. A plain association stays if people have labelled it, since HubSpot
        removes all labels with it.
        Source: HubSpot, API reference of batch/labels/archive, read 2026-11-29.
        """
        removed = self._unlabelled(object_name, form, pairs) if plain else pairs
        for start in range(0, len(removed), ASSOCIATION_ARCHIVE_LIMIT):
            batch = removed[start : start + ASSOCIATION_ARCHIVE_LIMIT]
            inputs = [
                {"from": {"id": from_id}, "to": {"id": to_id}, "types": [spec_of(form.type)]}
                for from_id, to_id in batch
            ]
            path = self.api.paths.associations(object_name, form.to, "batch/labels/archive")
            answer = self.api.post(path, Purpose(object_name, "link"), {"inputs": inputs})
            if not answer.ok:
                raise unusable(answer.status)
        return removed

    def _unlabelled(self, object_name: str, form: LinkForm, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs that are associated, without a label that people have added."""
        ids = list(dict.fromkeys(from_id for from_id, _ in pairs))
        types = {
            (str(item["from"]["id"]), str(end["toObjectId"])): end.get("associationTypes") or ()
            for item in self._read(object_name, form.to, ids)
            for end in item["to"]
        }
        return [
            pair
            for pair in pairs
            if pair in types
            and not any(known.get("label") and known["category"] == USERS for known in types[pair])
        ]

    def of(self, parent: str, object_name: str, parent_ids: Sequence[str]) -> Iterator[Pair]:
        """Ids of records that belong to others, each with that record's id. Raises: CrmError."""
        for item in self._read(parent, object_name, parent_ids):
            for end in item["to"]:
                yield str(end["toObjectId"]), str(item["from"]["id"])

    def _read(self, object_name: str, to: str, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """The associations of records with records of another object. Raises: CrmError."""
        path = self.api.paths.associations(object_name, to, "batch/read")
        for start in range(0, len(ids), ASSOCIATION_READ_LIMIT):
            inputs = [{"id": crm_id} for crm_id in ids[start : start + ASSOCIATION_READ_LIMIT]]
            answer = self.api.post(path, Purpose(to, "find"), {"inputs": inputs})
            if not answer.ok or not isinstance(answer.body, dict):
                raise CrmError(
                    f"HubSpot returned {answer.status} for a read of associations.",
                    "Run again. If the problem persists, check the token's read scopes.",
                )
            yield from answer.body.get("results") or []


def unusable(status: int) -> CrmError:
    """The error for an answer that says nothing about any pair."""
    return CrmError(
        f"HubSpot returned {status} for a batch of associations.",
        "Run again: the next run creates the links that are missing.",
    )


def results_of(body: Mapping[str, Any], pairs: Sequence[Pair]) -> dict[Pair, RowResult]:
    """What an answer says about pairs; a pair it is not clear about is left out.

    A pair is made only if a result names it. Raises: CrmError if an error would fail every row.
    """
    made = {pair_of(item) for item in body.get("results") or []}
    results = {pair: RowResult(pair[0]) for pair in pairs if pair in made}
    unnamed: list[RowError] = []
    for item in body.get("errors") or []:
        named = [pair for pair in pairs if pair not in made and names(item, pair)]
        results |= {pair: RowResult(fault=link_fault(item)) for pair in named}
        unnamed += [] if named else [link_fault(item)]

    left = [pair for pair in pairs if pair not in results]
    if len({fault.code for fault in unnamed}) == 1 and len(unnamed) >= len(left):
        # Who has which of these errors does not matter: they say the same.
        results |= {pair: RowResult(fault=unnamed[0]) for pair in left}
    return results


def pair_of(item: Mapping[str, Any]) -> Pair:
    """The ids that a result names: v4 has them flat, the default type of a link as objects.

    Source: HubSpot's specification of associations v4 and 2026-09, batch/create and
    batch/associate/default, read 2026-11-29.
    """
    ends = (item.get("from") or {}).get("id"), (item.get("to") or {}).get("id")
    return str(item.get("fromObjectId", ends[0])), str(item.get("toObjectId", ends[1]))


def names(item: Mapping[str, Any], pair: Pair) -> bool:
    """Returns True if an error is about a pair: it names the one record that does not exist."""
    ids = {str(crm_id) for crm_id in (item.get("context") or {}).get("id") or ()}
    sub_category = str(item.get("subCategory") or "")
    if sub_category in ENDS:
        return pair[ENDS[sub_category]] in ids
    return not ids.isdisjoint(pair)


def link_fault(item: Mapping[str, Any]) -> RowError:
    """Why a pair is not linked. Raises: CrmError if it would fail every row."""
    if item.get("category") != "OBJECT_NOT_FOUND":
        return row_fault(item)
    hint = "restore the record in HubSpot, or sync it again with `on_missing: recreate`"
    return RowError("link_end_gone", str(item.get("message", "")), hint)
