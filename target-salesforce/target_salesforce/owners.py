"""Users who may own records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reverse_etl.crm.adapter import OwnerAdapter
from reverse_etl.crm.http import SETUP

from target_salesforce.soql import Soql, select


@dataclass(frozen=True, slots=True)
class Owners(OwnerAdapter):
    """Users of one org."""

    soql: Soql

    def owners(self) -> Mapping[str, str]:
        """Ids of active users, by email address in lower case. Raises: CrmError."""
        rows = self.soql.rows([select(["Email"], "User", ["IsActive = true"])], SETUP)
        return {str(row["Email"]).casefold(): str(row["Id"]) for row in rows if row.get("Email")}
