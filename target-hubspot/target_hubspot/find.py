"""Finding records by key or match field, and reading them by id, in batch reads.

Batch reads see what was just written, which HubSpot's search does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Hit, Lookup
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import CrmError

from target_hubspot.api import HubSpotApi
from target_hubspot.fields import Fields
from target_hubspot.objects import BATCH_LIMIT, EXTRA_EMAILS

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds and reads records of one account."""

    api: HubSpotApi
    fields: Fields

    def find(
        self, object_name: str, key_field: str, lookups: Sequence[Lookup], names: Sequence[str]
    ) -> dict[str, list[Hit]]:
        """Records by the key of the lookup: by key, then, for the rest, by match field.

        Raises: CrmError.
        """
        purpose = Purpose(object_name, "find")
        hits: dict[str, list[Hit]] = {}
        keys = [lookup.key for lookup in lookups]
        for record in self.records(purpose, keys, names, key_field):
            hit = self._hit(object_name, record, names)
            hits.setdefault(str(hit.values.get(key_field)), []).append(hit)

        for match_field in sorted({name for lookup in lookups for name in lookup.match}):
            keys_by_value = {
                lookup.match[match_field]: lookup.key
                for lookup in lookups
                if lookup.key not in hits and match_field in lookup.match
            }
            for key, record in self._matches(purpose, match_field, keys_by_value, names):
                hits.setdefault(key, []).append(self._hit(object_name, record, names))
        return hits

    def _matches(
        self,
        purpose: Purpose,
        match_field: str,
        keys_by_value: Mapping[str, str],
        names: Sequence[str],
    ) -> Iterator[tuple[str, Record]]:
        """Records that hold one of the values, with the key it belongs to. Raises: CrmError."""
        properties = [*names, EXTRA_EMAILS] if match_field == "email" else names
        folded = {value.casefold(): key for value, key in keys_by_value.items()}
        for record in self.records(purpose, list(keys_by_value), properties, match_field):
            values = values_of(record, match_field)
            for key in {folded[value] for value in values if value in folded}:
                yield key, record

    def read(self, object_name: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Records by id; ids that do not exist are left out. Raises: CrmError."""
        records = self.records(Purpose(object_name, "read"), ids, names)
        return {str(record["id"]): self._hit(object_name, record, names) for record in records}

    def records(
        self, purpose: Purpose, ids: Sequence[str], properties: Sequence[str], id_property: str = ""
    ) -> Iterator[Record]:
        """Records of the purpose's object, by id or by a unique property. Raises: CrmError."""
        object_name = purpose.object_name
        path = self.api.paths.objects(object_name, "batch/read")
        body: dict[str, Any] = {"properties": list(properties), "propertiesWithHistory": []}
        if id_property:
            body["idProperty"] = id_property

        distinct = list(dict.fromkeys(ids))
        for start in range(0, len(distinct), BATCH_LIMIT):
            inputs = [{"id": record_id} for record_id in distinct[start : start + BATCH_LIMIT]]
            answer = self.api.post(path, purpose, {**body, "inputs": inputs})
            if not answer.ok or not isinstance(answer.body, dict) or "results" not in answer.body:
                raise CrmError(
                    f"HubSpot returned {answer.status} for a batch read of {object_name}.",
                    "Run again. If the problem persists, check the token's read scopes.",
                )
            yield from answer.body["results"]

    def _hit(self, object_name: str, record: Record, names: Sequence[str]) -> Hit:
        properties = record.get("properties") or {}
        return self.fields.hit(object_name, str(record["id"]), properties, names)


def values_of(record: Record, match_field: str) -> list[str]:
    """The values by which a record can be matched; for a contact, all its addresses."""
    properties = record.get("properties") or {}
    values = [properties.get(match_field) or ""]
    values += (properties.get(EXTRA_EMAILS) or "").split(";")
    return [value.casefold() for value in values]
