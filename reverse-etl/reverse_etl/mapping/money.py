"""The word `currency`: an amount goes out only if the account can hold its currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reverse_etl.crm.adapter import Currencies
from reverse_etl.errors import RowError
from reverse_etl.mapping.computation import Compute
from reverse_etl.mapping.paths import reader
from reverse_etl.mapping.rules import CurrencyRule, FieldRule, Rule
from reverse_etl.values import plain_text

CURRENCY = "currency"


def with_currency(
    rule: Rule, field: FieldRule, compute: Compute, currencies: Currencies | None
) -> Compute:
    """An amount's computation that refuses a currency which the account cannot hold.

    An amount without a currency is one of the account's default. Raises: MappingError.
    """
    if field.currency is None:
        return compute
    if currencies is None:
        raise rule.error(
            f"{field.name} names a currency, and this CRM does not say which it can hold.",
            f"fields/{field.name}/currency",
            "Remove `currency` from the field.",
        )
    allowed = holdable(rule, field.currency, currencies)
    if field.currency.value:
        check_fixed(rule, field, field.currency.value, allowed, currencies)
        return compute
    currency_of = reader(field.currency.path)

    def checked(record: Mapping[str, Any]) -> object:
        value = compute(record)
        if value is None or value == "":
            return value
        currency = currency_of(record)
        code = plain_text(currency).strip().upper() if currency else ""
        if code and code not in allowed:
            raise refusal(field, code, currencies)
        return value

    return checked


def refusal(field: FieldRule, code: str, currencies: Currencies) -> RowError:
    """Why an amount in a currency does not go out."""
    if code in currencies.active:
        return RowError(
            CURRENCY,
            f"{field.name} is not in the account's default currency, and no field of the rule "
            "writes the currency",
            "map the currency onto the CRM's currency field, or convert the amount at the source",
        )
    return RowError(
        CURRENCY,
        f"{field.name} is in a currency that the CRM's account does not hold",
        "activate the currency in the CRM and map it with a field of its own, or convert the "
        "amount at the source",
    )


def holdable(rule: Rule, currency: CurrencyRule, currencies: Currencies) -> frozenset[str]:
    """The currencies that an amount of this rule can be in.

    Without a field that writes the currency too, the CRM takes any amount for one of its default.
    """
    writes_it = any(
        (currency.path and field.paths == (currency.path,))
        or (currency.value and field.constant == currency.value)
        for field in rule.fields
        if field.currency is None
    )
    return currencies.active if writes_it else frozenset({currencies.default})


def check_fixed(
    rule: Rule, field: FieldRule, code: str, allowed: frozenset[str], currencies: Currencies
) -> None:
    """Raises: MappingError if the account cannot hold a fixed currency, or not in this rule."""
    if code in allowed:
        return
    place = f"fields/{field.name}/currency"
    if code in currencies.active:
        raise rule.error(
            f"{field.name} is in {code}, which no field of the rule writes, so the CRM would take "
            f"it for {currencies.default}.",
            place,
            f"Write {code} with a field of its own.",
        )
    raise rule.error(
        f"{field.name} is in {code}, which the CRM's account does not hold.",
        place,
        f"Activate it in the CRM and write it with a field of its own. The account holds "
        f"{', '.join(sorted(currencies.active))}.",
    )
