"""Functions about webhook events.

`event` is a record of the stream `events`, in which null says nothing about the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from canai_rules.deals import opportunity_name
from canai_rules.people import LifecycleStage, full_name, lifecycle_stage
from canai_rules.values import local_part, moment, present

JourneyStage = Literal["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9"]
ACTIVITY = ("user.registered", "user.journey_stage_completed")
"""Events of something that a person did on the platform."""


def event_stage(event: str, stage_completed: str | None) -> JourneyStage | None:
    """The journey stage after an event: F1 for a registration, else the completed stage."""
    return "F1" if event == "user.registered" else stage_completed  # type: ignore[return-value]


def event_lifecycle(stage_completed: str | None) -> LifecycleStage | None:
    """The lifecycle stage of a completed journey stage; None for other events."""
    return lifecycle_stage(stage_completed) if stage_completed else None


def event_activity(event: str, timestamp: str) -> datetime | None:
    """The time of an event that is an activity of the person; None for other events."""
    return moment(timestamp) if event in ACTIVITY else None


def event_last_name(last_name: str | None, email: str | None, user_id: str) -> str:
    """The last name, else the local part of the e-mail, else the user's id."""
    return present(last_name) or local_part(email) or user_id


def event_known_as(
    last_name: str | None, first_name: str | None, email: str | None, user_id: str
) -> str | None:
    """The last name; the user's id if nothing else names the person.

    HubSpot requires a name or an e-mail.
    """
    return present(last_name) or (None if present(first_name) or present(email) else user_id)


def event_full_name(event: Mapping[str, Any]) -> str:
    """First and last name, else the local part of the e-mail, else the user's id."""
    name = full_name(event.get("first_name"), event.get("last_name"), event.get("email"))
    return name or str(event["user_id"])


def event_payment_name(event: Mapping[str, Any]) -> str | None:
    """`track - e-mail` of a payment, as its export would give it."""
    email = event.get("user_email") or event.get("email")
    return opportunity_name(event.get("product_track"), email)


def event_day(created_at: str | None, timestamp: str) -> date:
    """The UTC day on which something was created, or else of the event."""
    return moment(created_at or timestamp).date()
