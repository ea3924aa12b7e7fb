"""Functions about deals. `user` is a record of the stream `users`, `payment` one of `payments`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

from canai_rules.people import full_name, revenue_potential
from canai_rules.values import half_up, moment, number, present, stage_number

DAYS_TO_CLOSE = {3: 30, 4: 14, 5: 7, 6: 3}
FIRST_DEAL_STAGE = 3
STAGES_OF_DEALS = 7
"""F3 to F9, spread over the stages of a pipeline."""


def deal_value(user: Mapping[str, Any]) -> Decimal:
    """The funding goal; where it is null or 0, the revenue potential."""
    goal = number(user.get("funding_goal"))
    return half_up(goal) if goal else revenue_potential(user)


def deal_name(user: Mapping[str, Any]) -> str | None:
    """`First Last - business type`; a missing part is left out with its dash."""
    return joined(user, business_first=False)


def deal_title(user: Mapping[str, Any]) -> str | None:
    """`business type - First Last`; a missing part is left out with its dash."""
    return joined(user, business_first=True)


def joined(user: Mapping[str, Any], *, business_first: bool) -> str | None:
    """Name and business type around a dash; without a name, the local part of the e-mail."""
    name = full_name(user.get("first_name"), user.get("last_name"), user.get("email"))
    business = present(user.get("business_type"))
    return dashed(business, name) if business_first else dashed(name, business)


def dashed(first: str | None, second: str | None) -> str | None:
    """Two parts around a dash; a missing part is left out with its dash."""
    return " - ".join(part for part in (first, second) if part) or None


def deal_stage(stage: str | None) -> Literal["closedwon", "qualifiedtobuy"]:
    """HubSpot's deal stage: F9 is won."""
    return "closedwon" if stage == "F9" else "qualifiedtobuy"


def pipeline_stage(stage: str | None, *, stage_ids: Sequence[int]) -> int | None:
    """The stage of a pipeline with these n stages: Ff is stage `min(n - 1, (f - 3) × n div 7)`.

    Stages are counted from 0.
    """
    place = stage_number(stage)
    if place < FIRST_DEAL_STAGE or not stage_ids:
        return None
    spread = (place - FIRST_DEAL_STAGE) * len(stage_ids) // STAGES_OF_DEALS
    return stage_ids[min(len(stage_ids) - 1, spread)]


def expected_close_date(last_active_at: str | None, stage: str | None) -> date | None:
    """Last activity plus 30 days at F3, 14 at F4, 7 at F5, 3 at F6, 0 from F7; None before F3."""
    place = stage_number(stage)
    if last_active_at is None or place < FIRST_DEAL_STAGE:
        return None
    return (moment(last_active_at) + timedelta(days=DAYS_TO_CLOSE.get(place, 0))).date()


def payment_value(payment: Mapping[str, Any]) -> Decimal:
    """The amount less what was refunded; of a payment refunded in full, the whole amount."""
    amount = number(payment.get("amount"))
    is_refunded = payment.get("status") == "refunded"
    return half_up(amount if is_refunded else amount - number(payment.get("refunded_amount")))


def closed_stage(status: str | None) -> Literal["Closed Won", "Closed Lost"] | None:
    """Salesforce's stage of a payment: won if succeeded or partially refunded, lost if refunded.

    A failed payment has none.
    """
    if status in ("succeeded", "partially_refunded"):
        return "Closed Won"
    return "Closed Lost" if status == "refunded" else None


def opportunity_name(product_track: str | None, user_email: str | None) -> str | None:
    """`track - e-mail`; a missing part is left out with its dash."""
    return dashed(product_track, user_email)


def utc_date(timestamp: str | None) -> date | None:
    """The UTC day of a timestamp."""
    return moment(timestamp).date() if timestamp else None
