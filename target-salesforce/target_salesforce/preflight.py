"""What an org says before a run: its kind, its daily limit, hidden fields, duplicate rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reverse_etl.crm.http import SETUP
from reverse_etl.crm.preflight import AccountState, PreflightAdapter, Problem
from reverse_etl.errors import CrmError

from target_salesforce.api import SalesforceApi
from target_salesforce.errors import json_object
from target_salesforce.soap import SoapApi

ORGANIZATION = "SELECT Name, IsSandbox, OrganizationType FROM Organization"
"""Source: Salesforce field reference, Organization, read 2026-11-30."""
DUPLICATE_RULES = "SELECT MasterLabel, SobjectType FROM DuplicateRule WHERE IsActive = TRUE"
"""Only a user with View Setup and Configuration can query these.
Source: Object Reference, DuplicateRule, read 2026-11-30."""
ACCESS = "Check the user's permissions."


@dataclass(frozen=True, slots=True)
class Preflight(PreflightAdapter):
    """Reads one org."""

    api: SalesforceApi
    soap: SoapApi

    def state(self) -> AccountState:
        """The org's name, edition, and whether it is a sandbox. Raises: CrmError."""
        org = self._rows(ORGANIZATION)[0]
        kind = "sandbox" if org.get("IsSandbox") else "production"
        edition = str(org.get("OrganizationType") or "")
        limits = json_object(self.api.get("/limits", SETUP), "the limits", ACCESS)
        left = int(limits["DailyApiRequests"]["Remaining"])
        return AccountState(str(org["Name"]), ", ".join(filter(None, (kind, edition))), left)

    def problems(
        self, objects: Sequence[str], missing: Mapping[str, Sequence[str]]
    ) -> Iterator[Problem]:
        """Fields that exist and are hidden, and duplicate rules that may refuse rows."""
        for name, fields in missing.items():
            yield from self._hidden(name, [field for field in fields if field.endswith("__c")])
        try:
            rules = self._rows(DUPLICATE_RULES)
        except CrmError:
            yield Problem(
                "The user cannot see the org's duplicate rules.",
                "Grant View Setup and Configuration, or look in Setup > Duplicate Rules.",
            )
            return
        for rule in rules:
            if rule["SobjectType"] in objects:
                yield Problem(
                    f"The duplicate rule {rule['MasterLabel']} of {rule['SobjectType']} is active: "
                    "rows that it blocks become dead letters.",
                    "Exempt the user, or set `allow_duplicates_save: true` if it only warns.",
                )

    def _hidden(self, object_name: str, fields: Sequence[str]) -> Iterator[Problem]:
        for field in fields:
            try:
                exists = self.soap.read_field(f"{object_name}.{field}") is not None
            except CrmError as error:
                yield Problem(f"Cannot tell whether {field} is hidden: {error.message}", error.hint)
                return
            if exists:
                yield Problem(
                    f"{object_name}.{field} exists, and field-level security hides it.",
                    "Grant the user Read and Edit on it in a permission set.",
                )

    def _rows(self, query: str) -> Sequence[Mapping[str, Any]]:
        """Raises: CrmError."""
        answer = self.api.get(f"/query?q={quote(query)}", SETUP)
        rows: Sequence[Mapping[str, Any]] = json_object(answer, "a query", ACCESS)["records"]
        return rows
