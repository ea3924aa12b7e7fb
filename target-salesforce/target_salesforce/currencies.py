"""The currencies of an org."""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.crm.adapter import Currencies, MoneyAdapter
from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError

from target_salesforce.soap import SoapApi
from target_salesforce.soql import Soql, select


@dataclass(frozen=True, slots=True)
class Money(MoneyAdapter):
    """The currencies of one org."""

    soap: SoapApi
    soql: Soql

    def currencies(self) -> Currencies:
        """The org's only currency, or its active ones. Raises: CrmError.

        An org with one currency has neither CurrencyType nor `CurrencyIsoCode`; only getUserInfo
        says which it is. Where there are several, the default is the running user's.
        Source: SOAP API developer guide, getUserInfoResult; Object Reference, CurrencyType, read
        2026-11-29.
        """
        info = self.soap.user_info()
        several = info.get("organizationMultiCurrency") == "true"
        default = info.get("userDefaultCurrencyIsoCode" if several else "orgDefaultCurrencyIsoCode")
        if not default:
            raise CrmError(
                "Salesforce did not say which currency the org uses.",
                "Check the user's access to the SOAP API.",
            )
        if not several:
            return Currencies(default, frozenset({default}))

        query = select(["IsoCode"], "CurrencyType", ["IsActive = true"])
        active = {str(row["IsoCode"]) for row in self.soql.rows([query], SETUP)}
        return Currencies(default, frozenset({default, *active}))
