"""The data of a new platform, generated from a seed: users with their payments and the rest.

The order of the calls on a random generator is part of the data: in another order, the same seed
gives other rows.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from datetime import datetime, timedelta
from typing import Any

from sandbox.canai.fields import RECORD_SETS
from sandbox.clock import CLOCK_START, iso, parse_iso

Row = dict[str, Any]

REQUESTS_PER_MINUTE = 100
STAGES = tuple(f"F{number}" for number in range(1, 10))
TRACK_PRICES = {"business_builder": 99, "social_email": 49, "site_audit": 79}
FIRST_NAMES = (
    "Ada", "Ben", "Chloé", "Diego", "Eva", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kemi",
    "Liam", "Mia", "Noor", "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Victor",
    "Wen", "Yara", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Adler", "Brown", "Castillo", "Dubois", "Eriksen", "Fischer", "García", "Hansen", "Ito",
    "Jensen", "Kowalski", "Lopez", "Müller", "Nguyen", "O'Brien", "Petrov", "Quist", "Rossi",
    "Silva", "Tanaka", "Usman", "Vega", "Wójcik", "Young", "Zhang",
)  # fmt: skip
BUSINESS_TYPES = (
    "bakery", "consulting", "e-commerce", "fitness studio", "food truck", "landscaping",
    "nonprofit", "photography", "software", "tutoring",
)  # fmt: skip
LOCATIONS = (
    "Austin, TX", "Berlin, DE", "Denver, CO", "Lisbon, PT", "London, UK", "Portland, OR",
    "Seattle, WA", "Zürich, CH",
)  # fmt: skip
PAYMENT_STATUSES = {"succeeded": 82, "partially_refunded": 7, "refunded": 6, "failed": 5}
"""Statuses of payments, and how often each comes in a hundred."""
FEEDBACK_KINDS = ("rating", "nps", "comment", "support_request")
HARD_COMMENT = 'It <helped> & I\'d say so: "yes",\nagain.'
"""What every file format has to escape."""
DAYS_OF_DATA = 60
OLDEST_LOOKBACK = timedelta(days=8)
"""Deliverables end this long before the clock's start, so that no lookback reaches them."""
PREMIUM_FROM = 150
"""The least that a user of the premium tier has spent."""


def stable_uuid(*parts: object) -> str:
    """A UUID that follows from its parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
    return str(uuid.UUID(digest[:32], version=4))


def user_rows(seed: int, number: int, origin: str) -> dict[str, list[Row]]:
    """A user with the payments, deliverables, sessions and feedback that belong to it."""
    rng = random.Random(f"{seed}/{number}")
    user = new_user(rng, seed, number)
    payments, deliverables = purchases(rng, user, seed, number, origin)
    settle(user, payments, deliverables)

    return {
        "users": [user],
        "payments": payments,
        "deliverables": deliverables,
        "sessions": session_rows(user, seed, number),
        "feedback": feedback_rows(user, deliverables, seed, number),
    }


def new_user(rng: random.Random, seed: int, number: int) -> Row:
    """A user; the number decides on the stage."""
    stage = 1 + number % 9
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    created = CLOCK_START - timedelta(days=rng.uniform(20, DAYS_OF_DATA - 1))
    age_s = (CLOCK_START - created).total_seconds()
    active = CLOCK_START - timedelta(seconds=rng.uniform(3600, age_s))
    named = stage <= 2 or rng.random() < 0.9

    user: Row = dict.fromkeys(RECORD_SETS["users"])
    user |= {
        "user_id": stable_uuid(seed, "user", number),
        "email": f"{ascii_name(first, last)}.{number}@example.com",
        "first_name": first if named else None,
        "last_name": last if named else None,
        "phone": f"+1555{number:07d}" if named else None,
        "created_at": iso(created),
        "last_active_at": iso(active),
    }
    user |= journey(stage) | business(rng) | experience(rng)
    user["last_login"] = iso(active - timedelta(minutes=rng.randint(1, 50)))
    user |= opinions(rng, stage)
    return user


def ascii_name(first: str, last: str) -> str:
    """A name as an e-mail address has it."""
    name = f"{first}.{last}".encode("ascii", "ignore").decode()
    return name.lower().replace("'", "")


def journey(stage: int) -> Row:
    """A user's fields that say how far they have come."""
    return {
        "current_journey_stage": STAGES[stage - 1],
        "stages_completed": list(STAGES[:stage]),
        "journey_completion_percentage": round(stage / len(STAGES) * 100, 2),
    }


def business(rng: random.Random) -> Row:
    """A user's fields on the business they plan."""
    return {
        "business_type": rng.choice(BUSINESS_TYPES),
        "business_description": f"A {rng.choice(BUSINESS_TYPES)} idea in {rng.choice(LOCATIONS)}.",
        "location": sometimes(rng, 0.8, LOCATIONS),
        "funding_goal": sometimes(rng, 0.6, (5000, 12000.5, 25000, 80000)),
        "preferred_product_track": sometimes(rng, 0.85, tuple(TRACK_PRICES)),
    }


def sometimes(rng: random.Random, probability: float, values: tuple[Any, ...]) -> Any:
    """One of the values with this probability, otherwise None."""
    return rng.choice(values) if rng.random() < probability else None


def experience(rng: random.Random) -> Row:
    """A user's fields on what they have done on the platform."""
    return {
        "trust_delta_average": round(rng.uniform(2.5, 5.0), 2),
        "emotional_resonance_average": round(rng.uniform(0.3, 1.0), 3),
        "sparks_generated": rng.randint(0, 12),
        "total_sessions": rng.randint(1, 24),
        "total_time_spent_seconds": rng.randint(60, 36000),
    }


def opinions(rng: random.Random, stage: int) -> Row:
    """A user's fields on feedback and referrals; only the last stages give feedback."""
    fields: Row = {
        "nps_score": rng.randint(0, 10) if stage >= 7 else None,
        "average_rating": round(rng.uniform(2, 5), 1) if stage >= 8 else None,
        "feedback_count": rng.randint(1, 4) if stage >= 8 else 0,
        "referrals_made": rng.choice([0, 0, 0, 1, 2, 5]),
    }
    fields["referral_conversions"] = rng.randint(0, fields["referrals_made"])
    return fields


def purchases(
    rng: random.Random, user: Row, seed: int, number: int, origin: str
) -> tuple[list[Row], list[Row]]:
    """Payments of a user, and the deliverables they paid for."""
    payments: list[Row] = []
    deliverables: list[Row] = []
    if user["current_journey_stage"] < "F4" or rng.random() >= 0.85:
        return payments, deliverables

    for index in range(rng.randint(1, 3)):
        payment_id = stable_uuid(seed, "payment", number, index)
        payment = new_payment(rng, user, payment_id)
        payments.append(payment)
        if payment["status"] == "succeeded" and user["current_journey_stage"] >= "F7":
            deliverable_id = stable_uuid(seed, "deliverable", payment_id)
            url = f"{origin}/storage/plans/{deliverable_id}.pdf"
            deliverables.append(
                {**new_deliverable(rng, user, payment, deliverable_id), "pdf_url": url}
            )
    return payments, deliverables


def new_payment(rng: random.Random, user: Row, payment_id: str) -> Row:
    """A payment of a user."""
    track = rng.choice(list(TRACK_PRICES))
    amount = TRACK_PRICES[track] + rng.choice([0, 0, 0.5])
    status = rng.choices(list(PAYMENT_STATUSES), list(PAYMENT_STATUSES.values()))[0]
    refunds = {"refunded": amount, "partially_refunded": round(amount / 4, 2)}
    created = CLOCK_START - timedelta(days=rng.uniform(9, 19))
    return {
        "payment_id": payment_id,
        "user_id": user["user_id"],
        "user_email": user["email"],
        "amount": amount,
        "currency": "USD",
        "status": status,
        "refunded_amount": refunds.get(status, 0),
        "product_track": track,
        "stripe_payment_intent_id": f"pi_{payment_id[:8]}",
        "created_at": iso(created),
        "updated_at": iso(created + timedelta(hours=rng.uniform(0, 24))),
    }


def new_deliverable(rng: random.Random, user: Row, payment: Row, deliverable_id: str) -> Row:
    """The deliverable of a payment; the address of its PDF is set by the caller."""
    created = parse_iso(payment["created_at"]) + timedelta(hours=2)
    return {
        "deliverable_id": deliverable_id,
        "user_id": user["user_id"],
        "product_track": payment["product_track"],
        "canai_output": f"Plan for a {user['business_type']}: three steps, one promise.",
        "word_count": rng.randint(200, 1200),
        "trust_delta": round(rng.uniform(3, 5), 2),
        "emotional_resonance": round(rng.uniform(0.4, 1), 3),
        "user_satisfaction": round(rng.uniform(2, 5), 1),
        "pdf_url": "",
        "created_at": iso(min(created, CLOCK_START - OLDEST_LOOKBACK)),
    }


def settle(user: Row, payments: list[Row], deliverables: list[Row]) -> None:
    """Set what a user's row says about payments and deliverables."""
    paid = [row for row in payments if row["status"] not in ("failed", "refunded")]
    user |= spending(sum(row["amount"] - row["refunded_amount"] for row in paid))
    user["deliverables_generated"] = len(deliverables)


def spending(spent: float) -> Row:
    """A user's fields that follow from what they have spent."""
    return {
        "total_spent": round(spent, 2),
        "lifetime_value": round(spent * 1.2, 2),
        "subscription_tier": "premium" if spent >= PREMIUM_FROM else "standard",
    }


def session_rows(user: Row, seed: int, number: int) -> list[Row]:
    """Sessions of a user."""
    rng = random.Random(f"{seed}/{number}/sessions")
    first, last = parse_iso(user["created_at"]), CLOCK_START - timedelta(hours=2)
    rows = []
    for index in range(rng.randint(1, 2)):
        began = first + (last - first) * rng.random()
        session_id = stable_uuid(seed, "session", number, index)
        rows.append(new_session(rng, user, session_id, began))
    return rows


def new_session(rng: random.Random, user: Row, session_id: str, began: datetime) -> Row:
    """A session of a user."""
    seconds = rng.randint(30, 3600)
    return {
        "session_id": session_id,
        "user_id": user["user_id"],
        "started_at": iso(began),
        "ended_at": iso(began + timedelta(seconds=seconds)),
        "duration_seconds": seconds,
        "journey_stages": user["stages_completed"][-2:],
        "interactions": {"POST /v1/export": rng.randint(0, 3), "click": rng.randint(1, 40)},
        "converted": user["total_spent"] > 0,
        "product_track": user["preferred_product_track"],
    }


def feedback_rows(user: Row, deliverables: list[Row], seed: int, number: int) -> list[Row]:
    """Feedback of a user, the kinds in turn."""
    rng = random.Random(f"{seed}/{number}/feedback")
    first = deliverables[0]["deliverable_id"] if deliverables else None
    rows = []
    for index in range(user["feedback_count"]):
        kind = FEEDBACK_KINDS[index % len(FEEDBACK_KINDS)]
        support = kind == "support_request"
        row = {
            "feedback_id": stable_uuid(seed, "feedback", number, index),
            "user_id": user["user_id"],
            "kind": kind,
            "rating": user["average_rating"] if kind == "rating" else None,
            "nps_score": user["nps_score"] if kind == "nps" else None,
            "comment": HARD_COMMENT if kind == "comment" else None,
            "subject": "Invoice" if support else None,
            "status": "open" if support else None,
            "journey_stage": user["current_journey_stage"],
            "deliverable_id": first if kind == "rating" else None,
            "submitted_at": iso(CLOCK_START - timedelta(days=rng.uniform(1, 20))),
        }
        rows.append(row)
    return rows


def just_registered(at: str) -> Row:
    """The fields of a user who registered at this moment: in stage F1, with nothing done yet."""
    unknown = ("nps_score", "average_rating", "funding_goal", "preferred_product_track")
    nothing = (
        "total_spent",
        "lifetime_value",
        "deliverables_generated",
        "sparks_generated",
        "feedback_count",
        "referrals_made",
        "referral_conversions",
    )
    return {
        **dict.fromkeys(unknown),
        **dict.fromkeys(nothing, 0),
        **journey(1),
        "subscription_tier": "standard",
        "total_sessions": 1,
        "created_at": at,
        "last_active_at": at,
        "last_login": at,
    }
