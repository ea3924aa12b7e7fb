"""Listing the keys of all records of an object, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from reverse_etl.crm.http import Purpose

from target_hubspot.api import HubSpotApi
from target_hubspot.find import Record
from target_hubspot.keyless import MARKER, Keyless, shown_properties

PAGE_LIMIT = 100
"""Records in a page of a listing.

Source: `MAX_PAGE_SIZE` of HubSpot's own client (hubspot-api-ruby, GetAllHelper), read 2026-11-30.
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """Lists the records of one account."""

    api: HubSpotApi
    keyless: Keyless

    def keys(self, object_name: str, key_field: str) -> Iterator[tuple[str, str]]:
        """The key and the id of every record that has a key. Raises: CrmError."""
        body = self.keyless.body_field(object_name)
        for record in self._records(object_name, body or key_field):
            properties = record.get("properties") or {}
            shown = shown_properties(record, body) if body else properties
            key = shown.get(MARKER if body else key_field)
            if key:
                yield str(key), str(record["id"])

    def _records(self, object_name: str, property_name: str) -> Iterator[Record]:
        path = self.api.paths.objects(object_name, "").rstrip("/")
        query: dict[str, Any] = {"limit": PAGE_LIMIT, "properties": property_name}
        while True:
            page = self.api.get(f"{path}?{urlencode(query)}", Purpose(object_name, "find"))
            yield from page.get("results") or []
            after = ((page.get("paging") or {}).get("next") or {}).get("after")
            if not after:
                return
            query["after"] = after
