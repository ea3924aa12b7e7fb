"""What happens on the platform: the source's rows change, and a payload reports it."""

from __future__ import annotations

from datetime import timedelta

from sandbox.canai.errors import UnknownRowError
from sandbox.canai.state import Source
from sandbox.canai.users import STAGES, TRACK_PRICES, Row, journey, spending, stable_uuid
from sandbox.clock import iso, parse_iso

EVENTS = (
    "user.registered",
    "user.journey_stage_completed",
    "payment.completed",
    "deliverable.generated",
    "feedback.submitted",
    "user.referred_signup",
)
REGISTERED_FIELDS = (
    "user_id",
    "email",
    "created_at",
    "first_name",
    "last_name",
    "phone",
    "subscription_tier",
)
TRACK = "business_builder"


class PlatformEvents:
    """Events of one source. No two of them have the same timestamp."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reset()
        self._changes = {
            "user.journey_stage_completed": self._complete_stage,
            "payment.completed": self._pay,
            "deliverable.generated": self._generate,
            "feedback.submitted": self._submit,
            "user.referred_signup": self._refer,
        }

    def reset(self) -> None:
        """Start again: the clock goes back, and no event was before it."""
        self._last = ""
        self._made = 0

    def make(self, kind: str, users: int, ids: list[str] | None) -> list[Row]:
        """Payloads of an event for this many users, or for those of `ids`.

        Raises: UnknownRowError.
        """
        if kind == "user.registered":
            return [self._register() for _ in range(users)]

        rows = self.source.rows["users"]
        unknown = [user_id for user_id in ids or [] if user_id not in rows]
        if unknown:
            raise UnknownRowError(f"users has no {unknown}")

        payloads = []
        for user_id in self.source.chosen("users", ids, users):
            at = self._next_moment()
            data = self._changes[kind](rows[user_id], at)
            payloads.append({"event": kind, "timestamp": at, "data": data})
        return payloads

    def _next_moment(self) -> str:
        """The present, or a microsecond after the event before."""
        now = iso(self.source.clock.now())
        if now <= self._last:
            now = iso(parse_iso(self._last) + timedelta(microseconds=1))
        self._last = now
        self._made += 1
        return now

    def _new_id(self, kind: str) -> str:
        return stable_uuid(self.source.seed, kind, self._made)

    def _register(self) -> Row:
        at = self._next_moment()
        user = self.source.add_user(at)
        data = {name: user[name] for name in REGISTERED_FIELDS if user[name] is not None}
        return {"event": "user.registered", "timestamp": at, "data": data}

    def _complete_stage(self, user: Row, at: str) -> Row:
        stage = min(len(STAGES), STAGES.index(user["current_journey_stage"]) + 2)
        user |= {**journey(stage), "last_active_at": at}
        rng = self.source.random
        return {
            **person(user),
            "stage_completed": STAGES[stage - 1],
            "stage_name": f"Stage {stage}",
            "completion_time_ms": rng.randint(100, 9000),
            "trust_delta": round(rng.uniform(2, 5), 2),
            "emotional_resonance": round(rng.uniform(0.3, 1), 3),
            "deliverable_metadata": {"product_track": TRACK, "word_count": rng.randint(200, 900)},
        }

    def _pay(self, user: Row, at: str) -> Row:
        track = self.source.random.choice(list(TRACK_PRICES))
        payment = new_payment(user, self._new_id("event payment"), track, at)
        self.source.add("payments", payment)
        user |= spending(round(user["total_spent"] + payment["amount"], 2))
        user["last_active_at"] = at
        return {
            **person(user),
            "payment_id": payment["payment_id"],
            "amount": payment["amount"],
            "currency": "USD",
            "product_track": track,
            "user_email": user["email"],
            "total_spent": user["total_spent"],
            "created_at": at,
        }

    def _generate(self, user: Row, at: str) -> Row:
        deliverable_id = self._new_id("event deliverable")
        url = f"{self.source.settings.origin}/storage/plans/{deliverable_id}.pdf"
        words = self.source.random.randint(200, 900)
        self.source.add("deliverables", new_deliverable(user, deliverable_id, url, words, at))
        user["deliverables_generated"] += 1
        user["last_active_at"] = at
        return {
            **person(user),
            "deliverable_id": deliverable_id,
            "product_track": TRACK,
            "deliverable_url": url,
            "total_deliverables": user["deliverables_generated"],
        }

    def _submit(self, user: Row, at: str) -> Row:
        rng = self.source.random
        feedback_id = self._new_id("event feedback")
        scores = {"nps_score": rng.randint(0, 10), "average_rating": round(rng.uniform(2, 5), 1)}
        self.source.add("feedback", new_feedback(user, feedback_id, scores["nps_score"], at))
        user |= {**scores, "feedback_count": user["feedback_count"] + 1, "last_active_at": at}
        return {**person(user), "feedback_id": feedback_id, **scores}

    def _refer(self, user: Row, at: str) -> Row:
        user["referrals_made"] += 1
        user["last_active_at"] = at
        return {
            **person(user),
            "referred_user_id": self._new_id("referred"),
            "referrals_made": user["referrals_made"],
        }


def person(user: Row) -> Row:
    """What every payload says of the user."""
    return {"user_id": user["user_id"], "email": user["email"]}


def new_payment(user: Row, payment_id: str, track: str, at: str) -> Row:
    """A payment at the price of the track."""
    return {
        "payment_id": payment_id,
        "user_id": user["user_id"],
        "user_email": user["email"],
        "amount": TRACK_PRICES[track],
        "currency": "USD",
        "status": "succeeded",
        "refunded_amount": 0,
        "product_track": track,
        "stripe_payment_intent_id": f"pi_{payment_id[:8]}",
        "created_at": at,
        "updated_at": at,
    }


def new_deliverable(user: Row, deliverable_id: str, url: str, words: int, at: str) -> Row:
    """A deliverable with its PDF."""
    return {
        "deliverable_id": deliverable_id,
        "user_id": user["user_id"],
        "product_track": TRACK,
        "canai_output": "A plan with three steps.",
        "word_count": words,
        "trust_delta": 4.2,
        "emotional_resonance": 0.8,
        "user_satisfaction": 4.5,
        "pdf_url": url,
        "created_at": at,
    }


def new_feedback(user: Row, feedback_id: str, nps_score: float, at: str) -> Row:
    """Feedback with nothing but a score from 0 to 10."""
    return {
        "feedback_id": feedback_id,
        "user_id": user["user_id"],
        "kind": "nps",
        "rating": None,
        "nps_score": nps_score,
        "comment": None,
        "subject": None,
        "status": None,
        "deliverable_id": None,
        "journey_stage": user["current_journey_stage"],
        "submitted_at": at,
    }
