"""The currencies of a company."""

from __future__ import annotations

from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Currencies, MoneyAdapter

from target_pipedrive.api import PipedriveApi


@dataclass(slots=True)
class Money(MoneyAdapter):
    """Currencies of one company."""

    api: PipedriveApi
    _default: str = field(default="", init=False)

    def currencies(self) -> Currencies:
        """The currency of the token's user, and all that records may use. Raises: CrmError."""
        rows = self.api.get("/api/v1/currencies").get("data") or []
        active = {str(row["code"]) for row in rows if row.get("active_flag")}
        return Currencies(self.default(), frozenset(active))

    def default(self) -> str:
        """The currency of the token's user, which Pipedrive itself uses too. Raises: CrmError."""
        if not self._default:
            user = self.api.get("/api/v1/users/me").get("data") or {}
            self._default = str(user["default_currency"])
        return self._default
