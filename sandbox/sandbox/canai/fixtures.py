"""The data of a new platform, generated from a seed: users with their payments and the rest.

The order of the calls on a random generator is part of the data: in another order, the same seed
gives other rows.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sandbox.canai.users import TRACK_PRICES, Row, new_user, spending, stable_uuid
from sandbox.clock import CLOCK_START, iso, parse_iso

REQUESTS_PER_MINUTE = 100
PAYMENT_STATUSES = {"succeeded": 82, "partially_refunded": 7, "refunded": 6, "failed": 5}
"""Statuses of payments, and how often each comes in a hundred."""
FEEDBACK_KINDS = ("rating", "nps", "comment", "support_request")
HARD_COMMENT = 'It <helped> & I\'d say so: "yes",\nagain.'
"""What every file format has to escape."""
OLDEST_LOOKBACK = timedelta(days=8)
"""Deliverables end this long before the clock's start, so that no lookback reaches them."""


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
            deliverables.append(new_deliverable(rng, user, payment, deliverable_id, url))
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


def new_deliverable(
    rng: random.Random, user: Row, payment: Row, deliverable_id: str, url: str
) -> Row:
    """The deliverable of a payment."""
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
        "pdf_url": url,
        "created_at": iso(min(created, CLOCK_START - OLDEST_LOOKBACK)),
    }


def settle(user: Row, payments: list[Row], deliverables: list[Row]) -> None:
    """Set what a user's row says about payments and deliverables."""
    paid = [row for row in payments if row["status"] not in ("failed", "refunded")]
    user |= spending(sum(row["amount"] - row["refunded_amount"] for row in paid))
    user["deliverables_generated"] = len(deliverables)


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
