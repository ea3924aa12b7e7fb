"""Finding records by key or match field, and reading them by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Hit, Lookup
from reverse_etl.crm.http import Purpose
from reverse_etl.values import FieldInfo

from target_salesforce.fields import Fields, compared, searched
from target_salesforce.objects import LOOKUPS_PER_QUERY
from target_salesforce.snapshot import Coverage, Snapshots
from target_salesforce.soql import Soql, in_list, select


@dataclass(frozen=True, slots=True)
class Search:
    """Lookups in one object."""

    object_name: str
    key_field: str
    lookups: Sequence[Lookup]
    fields: tuple[str, ...]
    """The fields to read, the key field first."""
    infos: Mapping[str, FieldInfo]
    """Every field of the object."""

    @property
    def match_fields(self) -> list[str]:
        """Every field that a lookup may match besides the key."""
        return sorted({name for lookup in self.lookups for name in lookup.match})

    def wanted(self, lookups: Sequence[Lookup]) -> Iterator[tuple[str, list[str]]]:
        """What to look for, field by field; what a field cannot hold is left out."""
        yield self.key_field, self._held(self.key_field, (lookup.key for lookup in lookups))
        for name in self.match_fields:
            values = (lookup.match[name] for lookup in lookups if name in lookup.match)
            yield name, self._held(name, values)

    def _held(self, name: str, values: Iterable[str]) -> list[str]:
        texts = (searched(self.infos[name], value) for value in values)
        return [text for text in dict.fromkeys(texts) if text]

    def by_lookup(self, hits: Iterable[Hit]) -> dict[str, list[Hit]]:
        """The records that each lookup matches, by the key of the lookup."""
        index, names = self._index(), (self.key_field, *self.match_fields)
        matched: dict[str, dict[str, Hit]] = {}
        for hit in hits:
            for name in names:
                value = compared(self.infos[name], hit.current.get(name))
                for key in index.get((name, value), ()):
                    matched.setdefault(key, {})[hit.crm_id] = hit
        return {key: list(records.values()) for key, records in matched.items()}

    def _index(self) -> dict[tuple[str, str], list[str]]:
        """Keys of lookups by field and value."""
        index: dict[tuple[str, str], list[str]] = {}
        for lookup in self.lookups:
            for name, value in ((self.key_field, lookup.key), *lookup.match.items()):
                text = compared(self.infos[name], value)
                if text:
                    index.setdefault((name, text), []).append(lookup.key)
        return index


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds and reads records of one org."""

    soql: Soql
    fields: Fields
    snapshots: Snapshots
    snapshot_from: int
    """The number of lookups from which the whole object is read instead."""

    def find(self, search: Search) -> dict[str, list[Hit]]:
        """Records by the key of the lookup. Raises: CrmError."""
        # Five queries of 200 lookups fit in a call. With thousands of lookups it is cheaper to read
        # the object once, in a bulk query of three calls, and to look everything up on disk.
        if len(search.lookups) >= self.snapshot_from:
            rows = self._snapshot_rows(search)
        else:
            rows = self.soql.rows(queries(search), Purpose(search.object_name, "find"))
        return search.by_lookup(
            self.fields.hit(search.object_name, row, search.fields) for row in rows
        )

    def _snapshot_rows(self, search: Search) -> Iterator[Mapping[str, Any]]:
        names = (search.key_field, *search.match_fields)
        wanted = Coverage(names, search.fields, search.infos)
        snapshot = self.snapshots.covering(search.object_name, wanted)
        for name, values in search.wanted(search.lookups):
            for cells in snapshot.rows(name, values):
                yield self.fields.from_cells(search.object_name, cells)

    def keys(self, object_name: str, key_field: str) -> Iterator[tuple[str, str]]:
        """The key and the id of every record that has a key. Raises: CrmError."""
        query = select([key_field], object_name, [f"{key_field} != null"])
        for row in self.soql.rows([query], Purpose(object_name, "find")):
            yield str(row[key_field]), str(row["Id"])

    def read(self, object_name: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Records by id; ids that do not exist are left out. Raises: CrmError."""
        by_id = [
            select(names, object_name, [in_list("Id", ids[start : start + LOOKUPS_PER_QUERY])])
            for start in range(0, len(ids), LOOKUPS_PER_QUERY)
        ]
        rows = self.soql.rows(by_id, Purpose(object_name, "read"))
        return {str(row["Id"]): self.fields.hit(object_name, row, names) for row in rows}


def queries(search: Search) -> list[str]:
    """Queries for the lookups, 200 in each: far below SOQL's limit of 100,000 characters."""
    texts = []
    for start in range(0, len(search.lookups), LOOKUPS_PER_QUERY):
        batch = search.lookups[start : start + LOOKUPS_PER_QUERY]
        tests = [
            in_list(name, values, search.infos[name].kind)
            for name, values in search.wanted(batch)
            if values
        ]
        if tests:
            texts.append(select(search.fields, search.object_name, tests))
    return texts
