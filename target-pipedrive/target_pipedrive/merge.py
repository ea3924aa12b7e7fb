"""Merging two records that a lost response left behind."""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.crm.adapter import MergeAdapter
from reverse_etl.crm.http import Purpose

from target_pipedrive.api import PipedriveApi

MERGEABLE = ("persons", "deals", "organizations")
"""Source: Pipedrive openapi-v1 (2026-08), `/merge` of each."""


@dataclass(frozen=True, slots=True)
class Merger(MergeAdapter):
    """Merges records of one company."""

    api: PipedriveApi

    def merge(self, object_name: str, keep_id: str, other_id: str) -> bool:
        """Merge a record into another, whose id and values stay.

        Returns False if Pipedrive cannot merge these. Raises: CrmError.
        """
        if object_name not in MERGEABLE:
            return False
        path = f"/api/v1/{object_name}/{other_id}/merge"
        purpose = Purpose(object_name, "merge")
        return self.api.update("PUT", path, purpose, {"merge_with_id": int(keep_id)}).ok
