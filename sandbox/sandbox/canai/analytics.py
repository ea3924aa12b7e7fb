"""One record a UTC day, added up from the users, payments and deliverables."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from sandbox.canai.state import DAYS_OF_DATA, STAGES, TRACK_PRICES, Source
from sandbox.clock import CLOCK_START, iso, parse_iso

ONE_DAY = timedelta(days=1)


def mean(values: list[float]) -> float:
    """The average at four places, 0 for none."""
    return round(sum(values) / len(values), 4) if values else 0


def share(part: float, whole: float) -> float:
    """A quotient at four places, 0 where there is no whole."""
    return round(part / whole, 4) if whole else 0


def days(source: Source) -> list[dict[str, Any]]:
    """A record for each whole day from the first data to the present."""
    now = source.clock.now()
    first = (CLOCK_START - timedelta(days=DAYS_OF_DATA)).astimezone(UTC)
    users = [
        (parse_iso(row["created_at"]), parse_iso(row["last_active_at"]), row)
        for row in source.rows["users"].values()
    ]
    payments = [(parse_iso(row["created_at"]), row) for row in source.rows["payments"].values()]
    records = []
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while start + ONE_DAY <= now:
        records.append(one_day(start, users, payments))
        start += ONE_DAY
    return records


def one_day(start: datetime, users: list[Any], payments: list[Any]) -> dict[str, Any]:
    """The record of one day."""
    end = start + ONE_DAY
    known = [row for created, _, row in users if created < end]
    new = [row for created, _, row in users if start <= created < end]
    active = [row for created, seen, row in users if start <= seen < end or start <= created < end]
    paid = [row for made, row in payments if start <= made < end and row["status"] != "failed"]
    so_far = [
        row for made, row in payments if made < end and row["status"] not in ("failed", "refunded")
    ]
    net = round(sum(row["amount"] - row["refunded_amount"] for row in paid), 2)
    by_track: dict[str, float] = dict.fromkeys(TRACK_PRICES, 0)
    for row in paid:
        by_track[row["product_track"]] = round(
            by_track[row["product_track"]] + row["amount"] - row["refunded_amount"], 2
        )
    reached = {
        stage: sum(1 for row in known if row["current_journey_stage"] >= stage) for stage in STAGES
    }
    rates = {
        f"{low}_to_{high}": share(reached[high], reached[low]) for low, high in pairwise(STAGES)
    }
    places: dict[str, int] = defaultdict(int)
    for row in known:
        places[row["location"] or "unknown"] += 1
    by_stage = {
        stage: [row for row in known if row["current_journey_stage"] == stage] for stage in STAGES
    }
    spent = [row["total_spent"] for row in known if row["total_spent"] > 0]
    ratings = [row["average_rating"] for row in known if row["average_rating"] is not None]
    return {
        "period_start": iso(start),
        "period_end": iso(end),
        "total_users": len(known),
        "new_users": len(new),
        "active_users": len(active),
        "churned_users": 0,
        "funnel_conversion_rates": rates,
        "average_journey_time": mean([row["total_time_spent_seconds"] for row in known]),
        "stage_completion_rates": rates,
        "average_trust_delta": mean([row["trust_delta_average"] for row in known]),
        "average_emotional_resonance": mean([row["emotional_resonance_average"] for row in known]),
        "user_satisfaction_score": mean(ratings),
        "total_revenue": net,
        "monthly_recurring_revenue": round(sum(row["amount"] for row in so_far) / 2, 2),
        "average_order_value": mean([row["amount"] for row in paid]),
        "customer_lifetime_value": mean(spent),
        "api_response_times": {"POST /v1/export": 182, "GET /v1/export": 41},
        "system_uptime_percentage": 99.95,
        "error_rates": {"4xx": 0.004, "5xx": 0.0005},
        "emotional_resonance_trends": {
            "mean": mean([row["emotional_resonance_average"] for row in active])
        },
        "geographic_distribution": dict(sorted(places.items())),
        "referral_conversion_rates": {
            "all": share(
                sum(row["referral_conversions"] for row in known),
                sum(row["referrals_made"] for row in known),
            )
        },
        "average_time_per_stage": {stage: 60 * index for index, stage in enumerate(STAGES, 1)},
        "drop_off_points": [
            {"stage": stage, "users": len(rows)} for stage, rows in by_stage.items()
        ],
        "conversion_funnels": [
            {"from": "F1", "to": stage, "rate": share(reached[stage], reached["F1"])}
            for stage in STAGES
        ],
        "user_paths": [
            {"path": list(STAGES[:index]), "users": len(by_stage[STAGES[index - 1]])}
            for index in range(1, 10)
        ],
        "engagement_patterns": [
            {"pattern": "returning", "users": sum(1 for row in known if row["total_sessions"] > 2)}
        ],
        "satisfaction_by_stage": {
            stage: mean(
                [row["average_rating"] for row in rows if row["average_rating"] is not None]
            )
            for stage, rows in by_stage.items()
        },
        "trust_delta_progression": {
            stage: mean([row["trust_delta_average"] for row in rows])
            for stage, rows in by_stage.items()
        },
        "emotional_resonance_journey": {
            stage: mean([row["emotional_resonance_average"] for row in rows])
            for stage, rows in by_stage.items()
        },
        "churn_rates": {"monthly": 0},
        "revenue_by_product_track": by_track,
        "upgrade_conversion_rates": {
            "standard_to_premium": share(
                sum(1 for row in known if row["subscription_tier"] == "premium"), len(known)
            )
        },
        "refund_rates": {
            "all": share(
                sum(row["refunded_amount"] for row in paid), sum(row["amount"] for row in paid)
            )
        },
        "geographic_revenue_distribution": {"all": net},
        "customer_acquisition_cost": 12.5,
        "api_performance_metrics": {"p50_ms": 120, "p99_ms": 900},
    }
