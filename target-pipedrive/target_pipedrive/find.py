"""Finding records by key or match field, in listings or by search, and reading them by id."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

from reverse_etl.crm.adapter import Hit, Lookup
from reverse_etl.crm.http import Purpose

from target_pipedrive.api import PipedriveApi, Record, tokens
from target_pipedrive.fields import Fields
from target_pipedrive.lists import values_of
from target_pipedrive.objects import (
    ENDPOINTS,
    IDS_LIMIT,
    LISTS,
    MARKER,
    PAGE_LIMIT,
    SEARCH_NAMES,
    V1_PAGE_LIMIT,
    Endpoint,
)
from target_pipedrive.shapes import common_form

RECENT_S = 600.0
"""How far a listing of what was just sent goes back."""
PARENTS_LISTED_SINGLY = 20
"""Up to this many records, what belongs to them is listed record by record; beyond, all is."""
SEARCH_TOKENS = tokens("GET", "/api/v2/itemSearch/field")
ACTIVE = "active_flag"
"""False in a note that was deleted. Source: Pipedrive openapi-v1 (2026-08), GET /notes/{id}."""
SEARCHABLE_TYPES = ("varchar", "varchar_auto", "text", "double", "phone")
"""Types of custom fields that search looks into.

Source: Pipedrive openapi-v2 (2026-08), GET /itemSearch/field.
"""


@dataclass(frozen=True, slots=True)
class Search:
    """Lookups in one object."""

    object_name: str
    key_field: str
    lookups: Sequence[Lookup]
    fields: Sequence[str]
    """The fields to read, the key field first."""
    exact: bool
    """True if records that were just written must be found."""
    known: int
    """About how many records the object has."""

    @property
    def purpose(self) -> Purpose:
        """What its calls are counted as."""
        return Purpose(self.object_name, "find")

    @property
    def endpoint(self) -> Endpoint:
        """The calls of its object."""
        return ENDPOINTS[self.object_name]

    def names(self) -> set[str]:
        """The fields by which it looks."""
        return {self.key_field, *(name for lookup in self.lookups for name in lookup.match)}

    def costs_less_listed(self) -> bool:
        """Returns True if listing everything takes fewer tokens than searching."""
        list_tokens = tokens("GET", self.endpoint.path)
        pages = self.known // PAGE_LIMIT + 1
        searches = sum(1 + len(lookup.match) for lookup in self.lookups)
        by_search = searches * SEARCH_TOKENS + list_tokens
        return pages * list_tokens <= by_search

    def keys_by_value(self, folded: set[str]) -> dict[tuple[str, str], list[str]]:
        """Keys of lookups by field and value; Pipedrive compares match fields without case."""
        keys: dict[tuple[str, str], list[str]] = {}
        for lookup in self.lookups:
            key = lookup.key.casefold() if self.key_field in folded else lookup.key
            keys.setdefault((self.key_field, key), []).append(lookup.key)
            for name, value in lookup.match.items():
                keys.setdefault((name, value.casefold()), []).append(lookup.key)
        return keys


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds and reads records of one company."""

    api: PipedriveApi
    fields: Fields

    def find(self, search: Search) -> dict[str, list[Hit]]:
        """Records by the key of the lookup. Raises: CrmError."""
        if search.key_field == MARKER:
            return self._by_marker(search)
        # Pipedrive's search is an index that lags behind writes; listings do not. If the response
        # to a create was lost, only a listing can say whether to send it again.
        if search.exact or not self._can_search(search) or search.costs_less_listed():
            records = self._listed(search)
        else:
            candidates = sorted(self._candidates(search))
            records = self.by_ids(search.object_name, search.purpose, candidates)
        return self._by_lookup(search, records)

    def _by_lookup(self, search: Search, records: Iterator[Record]) -> dict[str, list[Hit]]:
        infos = self.fields.infos[search.object_name]
        match_fields = search.names() - {search.key_field}
        folded = {name for name in search.names() if infos[name].folds_case} | match_fields
        keys_by_value = search.keys_by_value(folded)
        matched: dict[str, dict[str, Hit]] = {}
        for record in records:
            matching: set[str] = set()
            for name in search.names():
                for text in self._texts(search.object_name, record, name):
                    text = text.casefold() if name in folded else text
                    matching.update(keys_by_value.get((name, text), ()))
            if matching:
                hit = self.fields.hit(search.object_name, record, search.fields)
                for key in matching:
                    matched.setdefault(key, {})[hit.crm_id] = hit
        return {key: list(hits.values()) for key, hits in matched.items()}

    def _texts(self, object_name: str, record: Record, name: str) -> list[str]:
        """What a record holds in a field: every entry of a list."""
        if name in LISTS:
            return values_of(record.get(name) or [])
        value = self.fields.value(object_name, record, name)
        return [] if value is None else [str(value)]

    def _by_marker(self, search: Search) -> dict[str, list[Hit]]:
        """Records by marker, among those of what they belong to; listings do not lag."""
        parents = {pair for lookup in search.lookups for pair in lookup.near.items()}
        wanted = {lookup.key for lookup in search.lookups}
        hits: dict[str, dict[str, Hit]] = {}
        for record in self._of_parents(search, parents):
            marker = str(record.get(MARKER))
            if marker in wanted and any(str(record.get(name)) == id for name, id in parents):
                hit = self.fields.hit(search.object_name, record, search.fields)
                hits.setdefault(marker, {})[hit.crm_id] = hit
        return {marker: list(found.values()) for marker, found in hits.items()}

    def _of_parents(self, search: Search, parents: set[tuple[str, str]]) -> Iterator[Record]:
        path = search.endpoint.path
        queries = [f"&{name}={parent}" for name, parent in sorted(parents)]
        if len(queries) > PARENTS_LISTED_SINGLY:
            queries = [""]
        for query in queries:
            records = self.api.pages(path, search.purpose, query)
            yield from self._in_common_form(search.object_name, records)

    def _listed(self, search: Search) -> Iterator[Record]:
        """Every record, or those of the last minutes if that is enough. Raises: CrmError."""
        recent = search.endpoint.since and all(lookup.recent for lookup in search.lookups)
        query = f"&updated_since={quote(self._recent_moment())}" if recent else ""
        for path in search.endpoint.listings:
            # leads are archived by people, and that listing cannot be narrowed
            if recent and search.endpoint.is_v1 and path != search.endpoint.path:
                continue
            records = self.api.pages(path, search.purpose, query)
            yield from self._in_common_form(search.object_name, records)

    def _in_common_form(self, object_name: str, records: Iterable[Record]) -> Iterator[Record]:
        marker_in = self.fields.spec(object_name).marker_in
        for record in records:
            yield common_form(object_name, record, marker_in)

    def _recent_moment(self) -> str:
        """Some minutes ago, by Pipedrive's clock; v2 takes no fractions of a second."""
        moment = self.api.http.now() - timedelta(seconds=RECENT_S)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _can_search(self, search: Search) -> bool:
        """Returns True if search looks into every field of the lookups."""
        if not search.endpoint.searched:
            return False
        places = self.fields.places[search.object_name]
        return all(
            name in search.endpoint.searched
            or (places[name].custom and places[name].type in SEARCHABLE_TYPES)
            for name in search.names()
        )

    def _candidates(self, search: Search) -> set[str]:
        """Ids of records that search finds by key or by match field. Raises: CrmError."""
        ids: set[str] = set()
        for lookup in search.lookups:
            for name, term in ((search.key_field, lookup.key), *lookup.match.items()):
                ids |= {str(item["item"]["id"]) for item in self._searched(search, name, term)}
        return ids

    def _searched(self, search: Search, name: str, term: str) -> Sequence[Any]:
        """What search finds for a term in one field. Raises: CrmError."""
        if name in search.endpoint.searched:
            fields = SEARCH_NAMES.get(name, name)
            params = {"term": term, "fields": fields, "exact_match": "true"}
            path = f"/api/v2/{search.object_name}/search"
            data = self.api.get(path, search.purpose, params).get("data") or {}
            return list(data.get("items", ()))
        code = self.fields.places[search.object_name][name].code
        params = {"entity_type": search.endpoint.entity, "field": code, "match": "exact"}
        found = self.api.get("/api/v2/itemSearch/field", search.purpose, params | {"term": term})
        return list(found.get("data") or ())

    def keys(self, object_name: str, key_field: str) -> Iterator[tuple[str, str]]:
        """The key and the id of every record that has a key. Raises: CrmError."""
        for path in ENDPOINTS[object_name].listings:
            records = self.api.pages(path, Purpose(object_name, "find"))
            for record in self._in_common_form(object_name, records):
                value = (
                    record.get(MARKER)
                    if key_field == MARKER
                    else self.fields.value(object_name, record, key_field)
                )
                if value not in (None, ""):
                    yield str(value), str(record["id"])

    def read(self, object_name: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Records by id; ids that do not exist are left out. Raises: CrmError."""
        records = self.by_ids(object_name, Purpose(object_name, "read"), ids)
        return {
            str(record["id"]): self.fields.hit(object_name, record, names) for record in records
        }

    def by_ids(self, object_name: str, purpose: Purpose, ids: Sequence[str]) -> Iterator[Record]:
        """Records by id. Raises: CrmError."""
        return self._in_common_form(object_name, self._rows(ENDPOINTS[object_name], purpose, ids))

    def _rows(self, endpoint: Endpoint, purpose: Purpose, ids: Sequence[str]) -> Iterator[Record]:
        if endpoint.is_v1:
            yield from self._rows_v1(endpoint, purpose, ids)
            return
        for start in range(0, len(ids), IDS_LIMIT):
            missing = set(ids[start : start + IDS_LIMIT])
            query = f"limit={IDS_LIMIT}&ids={','.join(ids[start : start + IDS_LIMIT])}"
            for path in endpoint.listings:
                records = self.api.get(f"{path}?{query}", purpose).get("data") or []
                missing -= {str(record["id"]) for record in records}
                yield from records
                if not missing:
                    break

    def _rows_v1(
        self, endpoint: Endpoint, purpose: Purpose, ids: Sequence[str]
    ) -> Iterator[Record]:
        """Records by id of an object that v1 does not list by ids. Raises: CrmError."""
        missing = dict.fromkeys(ids)
        for path in endpoint.listings:
            for record in self._listed_while_cheaper(path, purpose, missing):
                if str(record["id"]) in missing:
                    del missing[str(record["id"])]
                    yield record
        for crm_id in missing:
            row = self.api.row(f"{endpoint.path}/{crm_id}", purpose)
            if row is not None and row.get(ACTIVE) is not False:
                yield row

    def _listed_while_cheaper(
        self, path: str, purpose: Purpose, missing: Collection[str]
    ) -> Iterator[Record]:
        """The records of a listing, until what is still missing takes fewer tokens row by row.

        So an account in which ours are few among many costs at most twice the least.
        """
        row_tokens = tokens("GET", f"{path.removesuffix('/archived')}/1")
        spent = 0
        records = self.api.pages(path, purpose)
        for place in count():
            if place % V1_PAGE_LIMIT == 0:  # the next record takes a call
                spent += tokens("GET", path)
                if spent > len(missing) * row_tokens:
                    return
            record = next(records, None)
            if record is None:
                return
            yield record
