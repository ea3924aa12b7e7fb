"""Finding records by key or any other field, and reading them by id.

Unique fields are found in batch reads, which see what was just written. Other fields are found by
HubSpot's search, which lags behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Hit, Lookup
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import CrmError
from reverse_etl.values import FieldInfo

from target_hubspot.api import HubSpotApi
from target_hubspot.fields import Fields, from_wire
from target_hubspot.objects import (
    BATCH_LIMIT,
    EXTRA_EMAILS,
    FOLDS_CASE,
    RECORD_ID,
    SEARCH_LIMIT,
    SEARCH_VALUES,
)

Record = Mapping[str, Any]
MERGED_IDS = "hs_merged_object_ids"
"""The property that lists the ids of the records that were merged into one."""


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
        fields = sorted({name for lookup in lookups for name in lookup.match})
        for field in (key_field, *fields):
            wanted: dict[str, list[str]] = {}
            for lookup in lookups:
                value = lookup.key if field == key_field else lookup.match.get(field)
                if value and lookup.key not in hits:
                    wanted.setdefault(value, []).append(lookup.key)
            for key, record in self._found(purpose, field, wanted, names):
                hits.setdefault(key, []).append(self._hit(object_name, record, names))
        return hits

    def _found(
        self,
        purpose: Purpose,
        field: str,
        wanted: Mapping[str, Sequence[str]],
        names: Sequence[str],
    ) -> Iterator[tuple[str, Record]]:
        """Records that hold one of the values, with each key the value belongs to.

        Raises: CrmError.
        """
        info = self.fields.infos[purpose.object_name][field]
        extra = [EXTRA_EMAILS] if (purpose.object_name, field) in FOLDS_CASE else []
        properties = list(dict.fromkeys([*names, field, *extra]))
        if info.unique or field == RECORD_ID:
            id_property = "" if field == RECORD_ID else field
            records = self.records(purpose, list(wanted), properties, id_property)
        else:
            records = self._searched(purpose, info, list(wanted), properties)

        folds = info.folds_case or not info.unique
        keys: dict[str, list[str]] = {}
        for value, of_value in wanted.items():
            keys.setdefault(value.casefold() if folds else value, []).extend(of_value)
        # a page of a search may repeat a record of the page before
        for record in {str(record["id"]): record for record in records}.values():
            values = values_of(record, info, extra)
            folded = {value.casefold() if folds else value for value in values}
            for key in sorted(key for value in folded for key in keys.get(value, ())):
                yield key, record

    def _searched(
        self, purpose: Purpose, info: FieldInfo, values: Sequence[str], properties: Sequence[str]
    ) -> Iterator[Record]:
        """Records that hold one of the values of a property that is not unique. Raises: CrmError.

        HubSpot finds text in any case if the values are in lower case.
        Source: HubSpot, Search the CRM, read 2026-11-29.
        """
        if info.kind == "text":
            values = list(dict.fromkeys(value.lower() for value in values))
        for start in range(0, len(values), SEARCH_VALUES):
            test = {
                "propertyName": info.name,
                "operator": "IN",
                "values": values[start : start + SEARCH_VALUES],
            }
            yield from self._pages(
                purpose, {"filterGroups": [{"filters": [test]}], "properties": properties}
            )

    def _pages(self, purpose: Purpose, body: Mapping[str, Any]) -> Iterator[Record]:
        """The results of a search, page by page. Raises: CrmError."""
        page = {**body, "limit": SEARCH_LIMIT}
        while True:
            answer = self._read(purpose, "search", page)
            yield from answer["results"]
            after = ((answer.get("paging") or {}).get("next") or {}).get("after")
            if not after:
                return
            page["after"] = str(after)

    def read(self, object_name: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Records by id; ids that do not exist are left out. Raises: CrmError."""
        records = self.records(Purpose(object_name, "read"), ids, names)
        return {str(record["id"]): self._hit(object_name, record, names) for record in records}

    def locate(self, object_name: str, ids: Sequence[str]) -> dict[str, str]:
        """Present ids of records; deleted ones are left out. Raises: CrmError.

        A record that was merged is read under the id of the one it was merged into, which names it.
        Source: HubSpot, Merge records; community.hubspot.com, Question about using batch read API,
        read 2026-11-29.
        """
        asked = set(ids)
        located: dict[str, str] = {}
        for record in self.records(Purpose(object_name, "read"), ids, [MERGED_IDS]):
            record_id = str(record["id"])
            merged = str((record.get("properties") or {}).get(MERGED_IDS) or "").split(";")
            located |= dict.fromkeys(asked.intersection((record_id, *merged)), record_id)
        return located

    def records(
        self, purpose: Purpose, ids: Sequence[str], properties: Sequence[str], id_property: str = ""
    ) -> Iterator[Record]:
        """Records of the purpose's object, by id or by a unique property. Raises: CrmError."""
        body: dict[str, Any] = {"properties": list(properties), "propertiesWithHistory": []}
        if id_property:
            body["idProperty"] = id_property

        distinct = list(dict.fromkeys(ids))
        for start in range(0, len(distinct), BATCH_LIMIT):
            inputs = [{"id": record_id} for record_id in distinct[start : start + BATCH_LIMIT]]
            yield from self._read(purpose, "batch/read", {**body, "inputs": inputs})["results"]

    def _read(self, purpose: Purpose, call: str, body: object) -> Mapping[str, Any]:
        """The answer to a read of the purpose's object. Raises: CrmError."""
        path = self.api.paths.objects(purpose.object_name, call)
        answer = self.api.post(path, purpose, body)
        if not answer.ok or not isinstance(answer.body, dict) or "results" not in answer.body:
            raise CrmError(
                f"HubSpot returned {answer.status} for {call} of {purpose.object_name}.",
                "Run again. If the problem persists, check the token's read scopes.",
            )
        return answer.body

    def _hit(self, object_name: str, record: Record, names: Sequence[str]) -> Hit:
        properties = record.get("properties") or {}
        return self.fields.hit(object_name, str(record["id"]), properties, names)


def values_of(record: Record, info: FieldInfo, extra: Sequence[str]) -> list[str]:
    """The values by which a record is found; for a contact, all its addresses.

    The value of the field itself is included as HubSpot shows it and in canonical form.
    """
    properties = record.get("properties") or {}
    value = properties.get(info.name) or ""
    values = [value, str(from_wire(info, value) or "")]
    for name in extra:
        values += (properties.get(name) or "").split(";")
    return [value for value in values if value]
