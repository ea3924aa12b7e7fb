"""One record per UTC day, added up from the users and payments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from sandbox.canai.fields import ANALYTICS
from sandbox.canai.users import DAYS_OF_DATA, STAGES, TRACK_PRICES, Row
from sandbox.clock import CLOCK_START, iso, parse_iso

ONE_DAY = timedelta(days=1)
RETURNING_FROM = 3
"""Sessions of a user who is counted as returning."""


@dataclass(slots=True)
class Day:
    """The rows that a day's record is added up from."""

    start: datetime
    users: list[Row]
    """Users who had registered by the end of the day."""
    new: list[Row]
    active: list[Row]
    paid: list[Row]
    """Payments of the day that did not fail."""
    kept: list[Row]
    """Payments up to the end of the day that neither failed nor were refunded."""

    def by_stage(self) -> dict[str, list[Row]]:
        """Users by the stage they are in."""
        return {
            stage: [user for user in self.users if user["current_journey_stage"] == stage]
            for stage in STAGES
        }

    def reached(self) -> dict[str, int]:
        """How many users have come to each stage or further."""
        return {
            stage: sum(1 for user in self.users if user["current_journey_stage"] >= stage)
            for stage in STAGES
        }


def mean(rows: Iterable[Row], name: str) -> float:
    """The average of a field at four places over the rows that have it, 0 for none."""
    values = [row[name] for row in rows if row[name] is not None]
    return round(sum(values) / len(values), 4) if values else 0


def share(part: float, whole: float) -> float:
    """A quotient at four places, 0 where there is no whole."""
    return round(part / whole, 4) if whole else 0


def total(rows: Iterable[Row], name: str) -> Any:
    """The sum of a field."""
    return sum(row[name] for row in rows)


def days(rows: Mapping[str, Mapping[str, Row]], now: datetime) -> list[Row]:
    """A record for each whole day from the first data to the present."""
    users = [
        (parse_iso(row["created_at"]), parse_iso(row["last_active_at"]), row)
        for row in rows["users"].values()
    ]
    payments = [(parse_iso(row["created_at"]), row) for row in rows["payments"].values()]

    first = (CLOCK_START - timedelta(days=DAYS_OF_DATA)).astimezone(UTC)
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    records = []
    while start + ONE_DAY <= now:
        records.append(day_record(day_of(start, users, payments)))
        start += ONE_DAY
    return records


def day_of(
    start: datetime,
    users: list[tuple[datetime, datetime, Row]],
    payments: list[tuple[datetime, Row]],
) -> Day:
    """The rows of a day, from users with their first and last moment and payments with theirs."""
    end = start + ONE_DAY
    day = Day(start, [], [], [], [], [])
    for created, seen, user in users:
        if created < end:
            day.users.append(user)
        if start <= created < end:
            day.new.append(user)
        if start <= created < end or start <= seen < end:
            day.active.append(user)

    for created, payment in payments:
        if start <= created < end and payment["status"] != "failed":
            day.paid.append(payment)
        if created < end and payment["status"] not in ("failed", "refunded"):
            day.kept.append(payment)
    return day


def day_record(day: Day) -> Row:
    """The record of a day, its fields in the order of the API's."""
    values = {**people(day), **journeys(day), **by_stage(day), **revenue(day), **service()}
    return {name: values[name] for name in ANALYTICS}


def people(day: Day) -> Row:
    """How many users there are, and how they fare."""
    places = Counter(user["location"] or "unknown" for user in day.users)
    returning = sum(1 for user in day.users if user["total_sessions"] >= RETURNING_FROM)
    referred = share(total(day.users, "referral_conversions"), total(day.users, "referrals_made"))
    return {
        "period_start": iso(day.start),
        "period_end": iso(day.start + ONE_DAY),
        "total_users": len(day.users),
        "new_users": len(day.new),
        "active_users": len(day.active),
        "churned_users": 0,
        "churn_rates": {"monthly": 0},
        "average_trust_delta": mean(day.users, "trust_delta_average"),
        "average_emotional_resonance": mean(day.users, "emotional_resonance_average"),
        "emotional_resonance_trends": {"mean": mean(day.active, "emotional_resonance_average")},
        "user_satisfaction_score": mean(day.users, "average_rating"),
        "geographic_distribution": dict(sorted(places.items())),
        "engagement_patterns": [{"pattern": "returning", "users": returning}],
        "referral_conversion_rates": {"all": referred},
    }


def journeys(day: Day) -> Row:
    """How far users come."""
    reached, first = day.reached(), STAGES[0]
    rates = {
        f"{low}_to_{high}": share(reached[high], reached[low]) for low, high in pairwise(STAGES)
    }
    funnels = [
        {"from": first, "to": stage, "rate": share(reached[stage], reached[first])}
        for stage in STAGES
    ]
    return {
        "average_journey_time": mean(day.users, "total_time_spent_seconds"),
        "average_time_per_stage": {stage: 60 * place for place, stage in enumerate(STAGES, 1)},
        "funnel_conversion_rates": rates,
        "stage_completion_rates": rates,
        "conversion_funnels": funnels,
    }


def by_stage(day: Day) -> Row:
    """What differs between the stages that users are in."""
    stages = day.by_stage()

    def averages(name: str) -> dict[str, float]:
        return {stage: mean(users, name) for stage, users in stages.items()}

    paths = []
    for place, users in enumerate(stages.values(), 1):
        paths.append({"path": list(STAGES[:place]), "users": len(users)})
    return {
        "drop_off_points": [
            {"stage": stage, "users": len(users)} for stage, users in stages.items()
        ],
        "user_paths": paths,
        "satisfaction_by_stage": averages("average_rating"),
        "trust_delta_progression": averages("trust_delta_average"),
        "emotional_resonance_journey": averages("emotional_resonance_average"),
    }


def revenue(day: Day) -> Row:
    """What users pay."""
    net = round(sum(row["amount"] - row["refunded_amount"] for row in day.paid), 2)
    tracks: dict[str, float] = dict.fromkeys(TRACK_PRICES, 0)
    for row in day.paid:
        track = row["product_track"]
        tracks[track] = round(tracks[track] + row["amount"] - row["refunded_amount"], 2)

    premium = sum(1 for user in day.users if user["subscription_tier"] == "premium")
    customers = [user for user in day.users if user["total_spent"] > 0]
    refunded = share(total(day.paid, "refunded_amount"), total(day.paid, "amount"))
    return {
        "total_revenue": net,
        "monthly_recurring_revenue": round(total(day.kept, "amount") / 2, 2),
        "average_order_value": mean(day.paid, "amount"),
        "customer_lifetime_value": mean(customers, "total_spent"),
        "customer_acquisition_cost": 12.5,
        "revenue_by_product_track": tracks,
        "geographic_revenue_distribution": {"all": net},
        "upgrade_conversion_rates": {"standard_to_premium": share(premium, len(day.users))},
        "refund_rates": {"all": refunded},
    }


def service() -> Row:
    """How the platform's API does, which is always the same here."""
    return {
        "api_response_times": {"POST /v1/export": 182, "GET /v1/export": 41},
        "api_performance_metrics": {"p50_ms": 120, "p99_ms": 900},
        "system_uptime_percentage": 99.95,
        "error_rates": {"4xx": 0.004, "5xx": 0.0005},
    }
