"""Functions about people. `user` is a record of the stream `users`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from canai_rules.values import half_up, local_part, number, present, stage_number

LifecycleStage = Literal[
    "Subscriber",
    "Lead",
    "Marketing Qualified Lead",
    "Sales Qualified Lead",
    "Opportunity",
    "Customer",
    "Evangelist",
    "Other",
]
LeadStatus = Literal["NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "CONNECTED"]
Segment = Literal["champion", "customer", "qualified", "engaged", "prospect"]

LIFECYCLE: dict[str, LifecycleStage] = {
    "F1": "Subscriber",
    "F2": "Lead",
    "F3": "Marketing Qualified Lead",
    "F4": "Sales Qualified Lead",
    "F5": "Opportunity",
    "F6": "Opportunity",
    "F7": "Customer",
    "F8": "Customer",
    "F9": "Evangelist",
}
TRACK_VALUES = {"business_builder": 99, "social_email": 49, "site_audit": 79}
DEFAULT_TRACK_VALUE = 99
LARGEST_SCORE = Decimal(100)


def lead_score(user: Mapping[str, Any]) -> Decimal:
    """0 to 100: trust delta × 10 + sessions × 2 + spend / 10 + referrals × 5; null is 0."""
    score = (
        number(user.get("trust_delta_average")) * 10
        + number(user.get("total_sessions")) * 2
        + number(user.get("total_spent")) / 10
        + number(user.get("referrals_made")) * 5
    )
    return half_up(min(max(score, Decimal(0)), LARGEST_SCORE))


def lifecycle_stage(stage: str | None) -> LifecycleStage:
    """The lifecycle stage of a journey stage F1 to F9; of any other, `Other`."""
    return LIFECYCLE.get(stage or "", "Other")


def lead_status(user: Mapping[str, Any]) -> LeadStatus | None:
    """F1 NEW; F2, F3 OPEN; F4, F5 IN_PROGRESS; F6 to F9 OPEN_DEAL with spend, else CONNECTED.

    None without a stage.
    """
    stage = stage_number(user.get("current_journey_stage"))
    if stage == 0:
        return None
    if stage == 1:
        return "NEW"
    if stage <= 3:
        return "OPEN"
    if stage <= 5:
        return "IN_PROGRESS"
    return "OPEN_DEAL" if number(user.get("total_spent")) > 0 else "CONNECTED"


def is_qualified_lead(user: Mapping[str, Any]) -> bool:
    """Stage F3 or later, a trust delta of at least 4.0 and at least 2 sessions."""
    return (
        stage_number(user.get("current_journey_stage")) >= 3
        and number(user.get("trust_delta_average")) >= 4
        and number(user.get("total_sessions")) >= 2
    )


def customer_segment(user: Mapping[str, Any]) -> Segment:
    """The first that fits: champion, customer, qualified, engaged, prospect."""
    spent = number(user.get("total_spent"))
    is_large = spent >= 200 or user.get("subscription_tier") == "premium"
    if is_large and number(user.get("nps_score")) >= 9:
        return "champion"
    if spent > 0:
        return "customer"
    if is_qualified_lead(user):
        return "qualified"
    return "engaged" if number(user.get("total_sessions")) >= 3 else "prospect"


def revenue_potential(user: Mapping[str, Any]) -> Decimal:
    """Track price × min(sessions / 3, 3) × rating / 5, in whole units, half up.

    Without a rating the last factor is 1.
    """
    base = Decimal(TRACK_VALUES.get(user.get("preferred_product_track") or "", DEFAULT_TRACK_VALUE))
    engagement = min(number(user.get("total_sessions")), Decimal(9))
    rating = user.get("average_rating")
    satisfaction = Decimal(5) if rating is None else number(rating)
    return (base * engagement * satisfaction / 15).quantize(Decimal(1), rounding=ROUND_HALF_UP)


def full_name(first_name: str | None, last_name: str | None, email: str | None) -> str | None:
    """First and last name; without either, the local part of the e-mail."""
    parts = [part for part in (present(first_name), present(last_name)) if part]
    return " ".join(parts) or local_part(email)


def last_name_or_email(last_name: str | None, email: str | None) -> str | None:
    """The last name, else the local part of the e-mail, since Salesforce requires LastName."""
    return present(last_name) or local_part(email)
