"""Finding records by key or match field, in listings or by search, and reading them by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from reverse_etl.crm.adapter import Hit, Lookup
from reverse_etl.crm.http import Purpose

from target_pipedrive.api import PipedriveApi, Record
from target_pipedrive.fields import Fields
from target_pipedrive.lists import values_of
from target_pipedrive.objects import (
    IDS_LIMIT,
    KINDS,
    LIST_TOKENS,
    LISTINGS,
    PAGE_LIMIT,
    SEARCH_TOKENS,
)

RECENT_S = 600.0
"""How far a listing of what was just sent goes back."""


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

    def prefers_listing(self) -> bool:
        """Returns True if listing everything is needed, or takes fewer tokens than searching."""
        pages = self.known // PAGE_LIMIT + 1
        searches = sum(1 + len(lookup.match) for lookup in self.lookups)
        by_search = searches * SEARCH_TOKENS + LIST_TOKENS
        return self.exact or pages * LIST_TOKENS <= by_search

    def keys_by_match(self) -> dict[tuple[str, str], list[str]]:
        """Keys of lookups by match field and value; Pipedrive compares without case."""
        keys: dict[tuple[str, str], list[str]] = {}
        for lookup in self.lookups:
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
        # Pipedrive's search is an index that lags behind writes; listings do not. If the response
        # to a create was lost, only a listing can say whether to send it again.
        if search.prefers_listing():
            records = self._listed(search)
        else:
            candidates = sorted(self._candidates(search))
            records = self.by_ids(search.purpose, candidates)
        return self._by_lookup(search, records)

    def _by_lookup(self, search: Search, records: Iterator[Record]) -> dict[str, list[Hit]]:
        keys = {lookup.key for lookup in search.lookups}
        keys_by_match = search.keys_by_match()
        match_fields = {name for name, _ in keys_by_match}
        matched: dict[str, dict[str, Hit]] = {}
        for record in records:
            key = self.fields.value(search.object_name, record, search.key_field)
            matching = keys & {str(key or "")}
            for name in match_fields:
                for value in values_of(record.get(name) or []):
                    matching.update(keys_by_match.get((name, value.casefold()), ()))
            if matching:
                hit = self.fields.hit(search.object_name, record, search.fields)
                for key in matching:
                    matched.setdefault(key, {})[hit.crm_id] = hit
        return {key: list(hits.values()) for key, hits in matched.items()}

    def _listed(self, search: Search) -> Iterator[Record]:
        """Every record, or those of the last minutes if that is enough. Raises: CrmError."""
        recent = all(lookup.recent for lookup in search.lookups)
        query = f"&updated_since={quote(self._recent_moment())}" if recent else ""
        for path in LISTINGS[search.object_name]:
            yield from self.api.pages(path, search.purpose, query)

    def _recent_moment(self) -> str:
        """Some minutes ago, by Pipedrive's clock; v2 takes no fractions of a second."""
        moment = self.api.http.now() - timedelta(seconds=RECENT_S)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _candidates(self, search: Search) -> set[str]:
        """Ids of records that search finds by key or by email. Raises: CrmError."""
        kind = KINDS[search.object_name]
        code = self.fields.infos[search.object_name][search.key_field].wire_name
        ids: set[str] = set()
        for lookup in search.lookups:
            by_key = {"entity_type": kind.entity, "field": code, "match": "exact"}
            items = self._searched(search, "itemSearch/field", by_key | {"term": lookup.key})
            ids |= {str(item["item"]["id"]) for item in items or []}

            for value in lookup.match.values():
                by_email = {"term": value, "fields": "email", "exact_match": "true"}
                data = self._searched(search, f"{kind.path}/search", by_email) or {}
                ids |= {str(item["item"]["id"]) for item in data.get("items", [])}
        return ids

    def _searched(self, search: Search, path: str, params: dict[str, str]) -> Any:
        return self.api.get(f"/api/v2/{path}", search.purpose, params).get("data")

    def read(self, object_name: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, Hit]:
        """Records by id; ids that do not exist are left out. Raises: CrmError."""
        records = self.by_ids(Purpose(object_name, "read"), ids)
        return {
            str(record["id"]): self.fields.hit(object_name, record, names) for record in records
        }

    def by_ids(self, purpose: Purpose, ids: Sequence[str]) -> Iterator[Record]:
        """Records of the purpose's object by id. Raises: CrmError."""
        for start in range(0, len(ids), IDS_LIMIT):
            missing = set(ids[start : start + IDS_LIMIT])
            query = f"limit={IDS_LIMIT}&ids={','.join(ids[start : start + IDS_LIMIT])}"
            for path in LISTINGS[purpose.object_name]:
                records = self.api.get(f"/api/v2/{path}?{query}", purpose).get("data") or []
                missing -= {str(record["id"]) for record in records}
                yield from records
                if not missing:
                    break
