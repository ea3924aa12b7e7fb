"""Where known records are now: live, merged into another, or deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import Purpose

from target_salesforce.api import SalesforceApi
from target_salesforce.errors import unexpected
from target_salesforce.fields import Fields
from target_salesforce.objects import LOOKUPS_PER_QUERY, RETRIEVE_LIMIT
from target_salesforce.soql import Soql, in_list, select

MASTER = "MasterRecordId"
"""The record that a deleted one was merged into, on objects whose records can be merged.
Source: Salesforce Object Reference, Account, Case, Contact, Lead, read 2026-11-29."""
MOST_MERGES = 5
"""How often in a row a record is followed from one merge to the next."""


@dataclass(frozen=True, slots=True)
class Locator:
    """Locates records of one org."""

    api: SalesforceApi
    soql: Soql
    fields: Fields

    def locate(self, object_name: str, ids: Sequence[str]) -> dict[str, str]:
        """Present ids of records; deleted ones are left out. Raises: CrmError."""
        distinct = list(dict.fromkeys(ids))
        live: set[str] = set()
        for start in range(0, len(distinct), RETRIEVE_LIMIT):
            live |= self._live(object_name, distinct[start : start + RETRIEVE_LIMIT])
        located = {crm_id: crm_id for crm_id in distinct if crm_id in live}
        missing = [crm_id for crm_id in distinct if crm_id not in live]
        if missing and MASTER in self.fields.infos.get(object_name, {}):
            located |= self._masters(object_name, missing)
        return located

    def _live(self, object_name: str, ids: Sequence[str]) -> set[str]:
        """Those of up to 2,000 ids whose records are not deleted. Raises: CrmError."""
        body = {"ids": list(ids), "fields": ["Id"]}
        path = f"/composite/sobjects/{object_name}"
        answer = self.api.post(path, Purpose(object_name, "read"), body)
        if not answer.ok or not isinstance(answer.body, list):
            hint = "Run again. If the problem persists, check the user's access."
            raise unexpected(answer, f"a read of {object_name} by id", hint)
        return {str(row["Id"]) for row in answer.body if row}

    def _masters(self, object_name: str, ids: Sequence[str]) -> dict[str, str]:
        """The live records that deleted ones were merged into, merge by merge. Raises: CrmError.

        The recycle bin knows for 15 days what was merged.
        Source: Salesforce SOAP API guide, queryAll(), merge(); Salesforce Help, Recycle Bin, read
        2026-11-29.
        """
        located: dict[str, str] = {}
        followed = {crm_id: crm_id for crm_id in ids}
        for _ in range(MOST_MERGES):
            rows = self._rows(object_name, sorted(set(followed.values())))
            masters = {}
            for crm_id, merged_id in followed.items():
                row = rows.get(merged_id, {})
                if row.get("IsDeleted") is False:
                    located[crm_id] = merged_id
                elif row.get(MASTER):
                    masters[crm_id] = str(row[MASTER])
            if not masters:
                break
            followed = masters
        return located

    def _rows(self, object_name: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Records by id, deleted ones included. Raises: CrmError."""
        names = ("IsDeleted", MASTER)
        queries = [
            select(names, object_name, [in_list("Id", ids[start : start + LOOKUPS_PER_QUERY])])
            for start in range(0, len(ids), LOOKUPS_PER_QUERY)
        ]
        rows = self.soql.rows(queries, Purpose(object_name, "read"), deleted=True)
        return {str(row["Id"]): row for row in rows}
