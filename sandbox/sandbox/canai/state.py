"""The source's rows, made from a seed, and the changes that the control plane makes to them."""

from __future__ import annotations

import hashlib
import random
import uuid
from datetime import datetime, timedelta
from typing import Any

from sandbox.canai.fields import RECORD_SETS, REPLICATION_KEYS
from sandbox.clock import CLOCK_START, Clock, iso

STAGES = tuple(f"F{n}" for n in range(1, 10))
TRACK_PRICES = {"business_builder": 99, "social_email": 49, "site_audit": 79}
FIRST_NAMES = [
    "Ada",
    "Ben",
    "Chloé",
    "Diego",
    "Eva",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kemi",
    "Liam",
    "Mia",
    "Noor",
    "Olga",
    "Pavel",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
    "Uma",
    "Victor",
    "Wen",
    "Yara",
    "Zoë",
]
LAST_NAMES = [
    "Adler",
    "Brown",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Hansen",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lopez",
    "Müller",
    "Nguyen",
    "O'Brien",
    "Petrov",
    "Quist",
    "Rossi",
    "Silva",
    "Tanaka",
    "Usman",
    "Vega",
    "Wójcik",
    "Young",
    "Zhang",
]
BUSINESS_TYPES = (
    "bakery",
    "consulting",
    "e-commerce",
    "fitness studio",
    "food truck",
    "landscaping",
    "nonprofit",
    "photography",
    "software",
    "tutoring",
)
LOCATIONS = (
    "Austin, TX",
    "Berlin, DE",
    "Denver, CO",
    "Lisbon, PT",
    "London, UK",
    "Portland, OR",
    "Seattle, WA",
    "Zürich, CH",
)
DAYS_OF_DATA = 60
OLDEST_LOOKBACK = timedelta(days=8)
"""Deliverables end this long before the clock's start, so that no lookback of the tap reaches them."""


class UnknownRow(ValueError):
    """A mutation that names a stream, row or field that is not there."""


def stable_uuid(*parts: object) -> str:
    """A UUID that follows from its parts."""
    return str(
        uuid.UUID(hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:32], version=4)
    )


class Source:
    """Rows of the record sets, by id, each a dict in the order of the API's fields."""

    def __init__(self, clock: Clock, *, users: int, seed: int, origin: str) -> None:
        self.clock, self.users_wanted, self.seed, self.origin = clock, users, seed, origin
        self.reset()

    def reset(self) -> None:
        """Data of the seed."""
        self.random = random.Random(self.seed)
        self.rows: dict[str, dict[str, dict[str, Any]]] = {
            name: {} for name in RECORD_SETS if name != "analytics"
        }
        for number in range(self.users_wanted):
            self._add_user(number)

    def _add_user(self, number: int) -> None:
        rng = random.Random(f"{self.seed}/{number}")
        user_id = stable_uuid(self.seed, "user", number)
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        ascii_name = f"{first}.{last}".encode("ascii", "ignore").decode().lower().replace("'", "")
        stage = 1 + number % 9
        created = CLOCK_START - timedelta(days=rng.uniform(20, DAYS_OF_DATA - 1))
        active = CLOCK_START - timedelta(
            seconds=rng.uniform(3600, (CLOCK_START - created).total_seconds())
        )
        shown = stage <= 2 or rng.random() < 0.9
        user: dict[str, Any] = dict.fromkeys(RECORD_SETS["users"])
        user |= {
            "user_id": user_id,
            "email": f"{ascii_name}.{number}@example.com",
            "first_name": first if shown else None,
            "last_name": last if shown else None,
            "phone": f"+1555{number:07d}" if shown else None,
            "created_at": iso(created),
            "last_active_at": iso(active),
            "current_journey_stage": STAGES[stage - 1],
            "stages_completed": list(STAGES[:stage]),
            "journey_completion_percentage": round(stage / 9 * 100, 2),
            "business_type": rng.choice(BUSINESS_TYPES),
            "business_description": f"A {rng.choice(BUSINESS_TYPES)} idea in {rng.choice(LOCATIONS)}.",
            "location": rng.choice(LOCATIONS) if rng.random() < 0.8 else None,
            "funding_goal": rng.choice([5000, 12000.5, 25000, 80000])
            if rng.random() < 0.6
            else None,
            "preferred_product_track": rng.choice(list(TRACK_PRICES))
            if rng.random() < 0.85
            else None,
            "trust_delta_average": round(rng.uniform(2.5, 5.0), 2),
            "emotional_resonance_average": round(rng.uniform(0.3, 1.0), 3),
            "sparks_generated": rng.randint(0, 12),
            "total_sessions": rng.randint(1, 24),
            "total_time_spent_seconds": rng.randint(60, 36000),
            "last_login": iso(active - timedelta(minutes=rng.randint(1, 50))),
            "nps_score": rng.randint(0, 10) if stage >= 7 else None,
            "average_rating": round(rng.uniform(2, 5), 1) if stage >= 8 else None,
            "feedback_count": rng.randint(1, 4) if stage >= 8 else 0,
            "referrals_made": rng.choice([0, 0, 0, 1, 2, 5]),
            "referral_conversions": 0,
        }
        user["referral_conversions"] = rng.randint(0, user["referrals_made"])
        self.rows["users"][user_id] = user
        own: dict[str, list[dict[str, Any]]] = {"payments": [], "deliverables": []}
        if stage >= 4 and rng.random() < 0.85:
            for index in range(rng.randint(1, 3)):
                self._add_payment(rng, user, (number, index), own)
        self._settle_user(user, own)
        self._add_sessions(random.Random(f"{self.seed}/{number}/sessions"), user, number, created)
        if user["feedback_count"]:
            self._add_feedback(
                random.Random(f"{self.seed}/{number}/feedback"), user, number, own["deliverables"]
            )

    def _add_payment(
        self,
        rng: random.Random,
        user: dict[str, Any],
        place: tuple[int, int],
        own: dict[str, list[dict[str, Any]]],
    ) -> None:
        track = rng.choice(list(TRACK_PRICES))
        amount = TRACK_PRICES[track] + rng.choice([0, 0, 0.5])
        status = rng.choices(
            ["succeeded", "partially_refunded", "refunded", "failed"], [82, 7, 6, 5]
        )[0]
        refunded = {"refunded": amount, "partially_refunded": round(amount / 4, 2)}.get(status, 0)
        made = CLOCK_START - timedelta(days=rng.uniform(9, 19))
        payment_id = stable_uuid(self.seed, "payment", *place)
        payment = {
            "payment_id": payment_id,
            "user_id": user["user_id"],
            "user_email": user["email"],
            "amount": amount,
            "currency": "USD",
            "status": status,
            "refunded_amount": refunded,
            "product_track": track,
            "stripe_payment_intent_id": f"pi_{payment_id[:8]}",
            "created_at": iso(made),
            "updated_at": iso(made + timedelta(hours=rng.uniform(0, 24))),
        }
        self.rows["payments"][payment_id] = payment
        own["payments"].append(payment)
        if status == "succeeded" and user["current_journey_stage"] >= "F7":
            own["deliverables"].append(self._add_deliverable(rng, user, payment, made))

    def _add_deliverable(
        self, rng: random.Random, user: dict[str, Any], payment: dict[str, Any], made: datetime
    ) -> dict[str, Any]:
        deliverable_id = stable_uuid(self.seed, "deliverable", payment["payment_id"])
        latest = CLOCK_START - OLDEST_LOOKBACK
        deliverable = {
            "deliverable_id": deliverable_id,
            "user_id": user["user_id"],
            "product_track": payment["product_track"],
            "canai_output": f"Plan for a {user['business_type']}: three steps, one promise.",
            "word_count": rng.randint(200, 1200),
            "trust_delta": round(rng.uniform(3, 5), 2),
            "emotional_resonance": round(rng.uniform(0.4, 1), 3),
            "user_satisfaction": round(rng.uniform(2, 5), 1),
            "pdf_url": f"{self.origin}/storage/plans/{deliverable_id}.pdf",
            "created_at": iso(min(made + timedelta(hours=2), latest)),
        }
        self.rows["deliverables"][deliverable_id] = deliverable
        return deliverable

    def _add_sessions(
        self, rng: random.Random, user: dict[str, Any], number: int, created: datetime
    ) -> None:
        last = CLOCK_START - timedelta(hours=2)
        for index in range(rng.randint(1, 2)):
            began = created + (last - created) * rng.random()
            seconds = rng.randint(30, 3600)
            session_id = stable_uuid(self.seed, "session", number, index)
            self.rows["sessions"][session_id] = {
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

    def _add_feedback(
        self,
        rng: random.Random,
        user: dict[str, Any],
        number: int,
        deliverables: list[dict[str, Any]],
    ) -> None:
        for index in range(user["feedback_count"]):
            kind = ("rating", "nps", "comment", "support_request")[index % 4]
            feedback_id = stable_uuid(self.seed, "feedback", number, index)
            self.rows["feedback"][feedback_id] = {
                "feedback_id": feedback_id,
                "user_id": user["user_id"],
                "kind": kind,
                "rating": user["average_rating"] if kind == "rating" else None,
                "nps_score": user["nps_score"] if kind == "nps" else None,
                "comment": 'It <helped> & I\'d say so: "yes",\nagain.'
                if kind == "comment"
                else None,
                "subject": "Invoice" if kind == "support_request" else None,
                "status": "open" if kind == "support_request" else None,
                "journey_stage": user["current_journey_stage"],
                "deliverable_id": deliverables[0]["deliverable_id"]
                if deliverables and kind == "rating"
                else None,
                "submitted_at": iso(CLOCK_START - timedelta(days=rng.uniform(1, 20))),
            }

    def _settle_user(self, user: dict[str, Any], own: dict[str, list[dict[str, Any]]]) -> None:
        """What a user's row says of the payments and deliverables."""
        paid = [row for row in own["payments"] if row["status"] not in ("failed", "refunded")]
        spent = sum(row["amount"] - row["refunded_amount"] for row in paid)
        user["total_spent"] = round(spent, 2)
        user["lifetime_value"] = round(spent * 1.2, 2)
        user["subscription_tier"] = "premium" if spent >= 150 else "standard"
        user["deliverables_generated"] = len(own["deliverables"])

    def add_user(self, at: str) -> dict[str, Any]:
        """A person who registers at this moment: in stage F1, with nothing done yet."""
        number = len(self.rows["users"])
        self._add_user(number)
        user = self.rows["users"][stable_uuid(self.seed, "user", number)]
        for stream in ("payments", "deliverables", "sessions", "feedback"):
            self.rows[stream] = {
                key: row
                for key, row in self.rows[stream].items()
                if row["user_id"] != user["user_id"]
            }
        none = dict.fromkeys(
            ("nps_score", "average_rating", "funding_goal", "preferred_product_track")
        )
        zero = dict.fromkeys(
            (
                "total_spent",
                "lifetime_value",
                "deliverables_generated",
                "sparks_generated",
                "feedback_count",
            ),
            0,
        )
        user |= {
            **none,
            **zero,
            "referrals_made": 0,
            "referral_conversions": 0,
            "total_sessions": 1,
            "subscription_tier": "standard",
        }
        user |= {
            "current_journey_stage": "F1",
            "stages_completed": ["F1"],
            "journey_completion_percentage": 11.11,
        }
        user |= {"created_at": at, "last_active_at": at, "last_login": at}
        return user

    def mutate(
        self,
        stream: str,
        *,
        n: int | None = None,
        ids: list[str] | None = None,
        changes: dict[str, Any] | None = None,
        touch: bool = True,
        late_s: float = 0,
    ) -> list[str]:
        """Change rows; returns their ids. Raises: UnknownRow."""
        rows = self.rows.get(stream)
        if rows is None:
            raise UnknownRow(f"no stream {stream!r} to change; there are {', '.join(self.rows)}")
        unknown_fields = set(changes or {}) - set(RECORD_SETS[stream])
        unknown_ids = [one for one in ids or [] if one not in rows]
        if unknown_fields or unknown_ids:
            raise UnknownRow(f"{stream} has no {sorted(unknown_fields) or unknown_ids}")
        chosen = (
            ids
            if ids is not None
            else self.random.sample(sorted(rows), min(n if n is not None else 1, len(rows)))
        )
        if not changes and stream != "users":
            raise UnknownRow(f"say what to set: there is no change by default for {stream}")
        moment = iso(self.clock.now() - timedelta(seconds=late_s))
        for one in chosen:
            row = rows[one]
            row |= changes or {"business_type": self._other_business(row["business_type"])}
            if touch:
                row[REPLICATION_KEYS[stream]] = moment
        return list(chosen)

    def _other_business(self, present: str) -> str:
        return self.random.choice([one for one in BUSINESS_TYPES if one != present])
