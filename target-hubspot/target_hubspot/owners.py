"""Users who may own records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import OwnerAdapter

from target_hubspot.api import HubSpotApi

PAGE = 100


@dataclass(frozen=True, slots=True)
class Owners(OwnerAdapter):
    """Owners of one account."""

    api: HubSpotApi

    def owners(self) -> Mapping[str, str]:
        """Ids of active owners, by email address in lower case. Raises: CrmError."""
        return {
            str(owner["email"]).casefold(): str(owner["id"])
            for owner in self._listed()
            if owner.get("email") and not owner.get("archived")
        }

    def _listed(self) -> Iterator[Mapping[str, Any]]:
        path = f"{self.api.paths.owners()}?limit={PAGE}"
        after = ""
        while True:
            body = self.api.get(f"{path}&after={after}" if after else path)
            yield from body["results"]
            next_page = (body.get("paging") or {}).get("next") or {}
            after = str(next_page.get("after") or "")
            if not after:
                return
