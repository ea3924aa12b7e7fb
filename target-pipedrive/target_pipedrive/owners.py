"""Users who may own records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reverse_etl.crm.adapter import OwnerAdapter

from target_pipedrive.api import PipedriveApi


@dataclass(frozen=True, slots=True)
class Owners(OwnerAdapter):
    """Users of one company."""

    api: PipedriveApi

    def owners(self) -> Mapping[str, str]:
        """Ids of active users, by email address in lower case. Raises: CrmError."""
        users = self.api.get("/api/v1/users").get("data") or []
        return {
            str(user["email"]).casefold(): str(user["id"])
            for user in users
            if user.get("active_flag", True)
        }
