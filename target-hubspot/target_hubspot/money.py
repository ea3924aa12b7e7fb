"""The currencies of an account."""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.crm.adapter import Currencies, MoneyAdapter

from target_hubspot.api import ACCOUNT, HubSpotApi


@dataclass(frozen=True, slots=True)
class Money(MoneyAdapter):
    """Currencies of one account."""

    api: HubSpotApi

    def currencies(self) -> Currencies:
        """The company currency, and the currencies added to it. Raises: CrmError.

        Account information needs no scope; the currencies API needs one of its own.
        Source: HubSpot, Account information guide, read 2026-11-29.
        """
        details = self.api.get(ACCOUNT)
        company = str(details["companyCurrency"])
        more = details.get("additionalCurrencies") or ()
        return Currencies(company, frozenset({company, *map(str, more)}))
