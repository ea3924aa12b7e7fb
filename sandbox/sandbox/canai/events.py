"""What happens on the platform: the source's rows change, and a payload tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sandbox.canai.state import STAGES, TRACK_PRICES, Source, UnknownRow, stable_uuid
from sandbox.clock import iso, parse_iso

EVENTS = (
    "user.registered",
    "user.journey_stage_completed",
    "payment.completed",
    "deliverable.generated",
    "feedback.submitted",
    "user.referred_signup",
)


@dataclass
class Happening:
    """Events of one source."""

    source: Source
    _last: str = ""
    _made: int = field(default=0)

    def make(self, kind: str, users: int, ids: list[str] | None = None) -> list[dict[str, Any]]:
        """Payloads of one event for so many users, or for these. Raises: UnknownRow."""
        if kind == "user.registered":
            return [self._payload(kind, self._registered) for _ in range(users)]
        rows = self.source.rows["users"]
        unknown = [one for one in ids or [] if one not in rows]
        if unknown:
            raise UnknownRow(f"users has no {unknown}")
        chosen = (
            ids
            if ids is not None
            else self.source.random.sample(sorted(rows), min(users, len(rows)))
        )
        makers = {
            "user.journey_stage_completed": self._stage,
            "payment.completed": self._payment,
            "deliverable.generated": self._deliverable,
            "feedback.submitted": self._feedback,
            "user.referred_signup": self._referral,
        }
        return [
            self._payload(kind, lambda at, one=one: makers[kind](rows[one], at)) for one in chosen
        ]  # type: ignore[misc]

    def _payload(self, kind: str, change: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        now = iso(self.source.clock.now())
        self._last = (
            now if now > self._last else iso(parse_iso(self._last) + timedelta(microseconds=1))
        )
        self._made += 1
        return {"event": kind, "timestamp": self._last, "data": change(self._last)}

    def _registered(self, at: str) -> dict[str, Any]:
        user = self.source.add_user(at)
        names = (
            "user_id",
            "email",
            "created_at",
            "first_name",
            "last_name",
            "phone",
            "subscription_tier",
        )
        return {name: user[name] for name in names if user[name] is not None}

    def _stage(self, user: dict[str, Any], at: str) -> dict[str, Any]:
        place = min(len(STAGES), STAGES.index(user["current_journey_stage"]) + 2)
        user |= {
            "current_journey_stage": STAGES[place - 1], "stages_completed": list(STAGES[:place]),
            "journey_completion_percentage": round(place / 9 * 100, 2), "last_active_at": at,
        }  # fmt: skip
        rng = self.source.random
        return {
            "user_id": user["user_id"], "email": user["email"], "stage_completed": STAGES[place - 1],
            "stage_name": f"Stage {place}", "completion_time_ms": rng.randint(100, 9000), "trust_delta": round(rng.uniform(2, 5), 2),
            "emotional_resonance": round(rng.uniform(0.3, 1), 3),
            "deliverable_metadata": {"product_track": "business_builder", "word_count": rng.randint(200, 900)},
        }  # fmt: skip

    def _payment(self, user: dict[str, Any], at: str) -> dict[str, Any]:
        track = self.source.random.choice(list(TRACK_PRICES))
        payment_id = stable_uuid(self.source.seed, "event payment", self._made)
        self.source.rows["payments"][payment_id] = {
            "payment_id": payment_id, "user_id": user["user_id"], "user_email": user["email"], "amount": TRACK_PRICES[track],
            "currency": "USD", "status": "succeeded", "refunded_amount": 0, "product_track": track,
            "stripe_payment_intent_id": f"pi_{payment_id[:8]}", "created_at": at, "updated_at": at,
        }  # fmt: skip
        spent = round(user["total_spent"] + TRACK_PRICES[track], 2)
        user |= {
            "total_spent": spent,
            "lifetime_value": round(spent * 1.2, 2),
            "last_active_at": at,
        }
        user["subscription_tier"] = "premium" if spent >= 150 else "standard"
        return {
            "user_id": user["user_id"], "email": user["email"], "payment_id": payment_id, "amount": TRACK_PRICES[track],
            "currency": "USD", "product_track": track, "user_email": user["email"], "total_spent": spent, "created_at": at,
        }  # fmt: skip

    def _deliverable(self, user: dict[str, Any], at: str) -> dict[str, Any]:
        rng = self.source.random
        deliverable_id = stable_uuid(self.source.seed, "event deliverable", self._made)
        url = f"{self.source.origin}/storage/plans/{deliverable_id}.pdf"
        self.source.rows["deliverables"][deliverable_id] = {
            "deliverable_id": deliverable_id, "user_id": user["user_id"], "product_track": "business_builder",
            "canai_output": "A plan with three steps.", "word_count": rng.randint(200, 900), "trust_delta": 4.2,
            "emotional_resonance": 0.8, "user_satisfaction": 4.5, "pdf_url": url, "created_at": at,
        }  # fmt: skip
        user |= {"deliverables_generated": user["deliverables_generated"] + 1, "last_active_at": at}
        return {
            "user_id": user["user_id"], "email": user["email"], "deliverable_id": deliverable_id, "product_track": "business_builder",
            "deliverable_url": url, "total_deliverables": user["deliverables_generated"],
        }  # fmt: skip

    def _feedback(self, user: dict[str, Any], at: str) -> dict[str, Any]:
        rng = self.source.random
        feedback_id = stable_uuid(self.source.seed, "event feedback", self._made)
        nps, average = rng.randint(0, 10), round(rng.uniform(2, 5), 1)
        row = dict.fromkeys(
            ("rating", "nps_score", "comment", "subject", "status", "deliverable_id")
        )
        self.source.rows["feedback"][feedback_id] = {
            "feedback_id": feedback_id, "user_id": user["user_id"], "kind": "nps", **row, "nps_score": nps,
            "journey_stage": user["current_journey_stage"], "submitted_at": at,
        }  # fmt: skip
        user |= {
            "nps_score": nps,
            "average_rating": average,
            "feedback_count": user["feedback_count"] + 1,
            "last_active_at": at,
        }
        return {
            "user_id": user["user_id"], "email": user["email"], "feedback_id": feedback_id, "nps_score": nps, "average_rating": average,
        }  # fmt: skip

    def _referral(self, user: dict[str, Any], at: str) -> dict[str, Any]:
        user |= {"referrals_made": user["referrals_made"] + 1, "last_active_at": at}
        referred = stable_uuid(self.source.seed, "referred", self._made)
        return {
            "user_id": user["user_id"], "email": user["email"], "referred_user_id": referred, "referrals_made": user["referrals_made"],
        }  # fmt: skip
