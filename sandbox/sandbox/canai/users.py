"""Generated users, and the fields that follow from what they do."""

from __future__ import annotations

import hashlib
import random
import uuid
from datetime import timedelta
from typing import Any

from sandbox.canai.fields import RECORD_SETS
from sandbox.clock import CLOCK_START, iso

Row = dict[str, Any]

STAGES = tuple(f"F{number}" for number in range(1, 10))
TRACK_PRICES = {"business_builder": 99, "social_email": 49, "site_audit": 79}
DAYS_OF_DATA = 60
PREMIUM_FROM = 150
"""The least that a user of the premium tier has spent."""
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


def stable_uuid(*parts: object) -> str:
    """A UUID that follows from its parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
    return str(uuid.UUID(digest[:32], version=4))


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


def spending(spent: float) -> Row:
    """A user's fields that follow from what they have spent."""
    return {
        "total_spent": round(spent, 2),
        "lifetime_value": round(spent * 1.2, 2),
        "subscription_tier": "premium" if spent >= PREMIUM_FROM else "standard",
    }


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
