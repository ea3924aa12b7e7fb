"""Bytes of a request → `Event`, or `NotAnEventError` with the reason, which holds no value of the payload."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import fastjsonschema
import msgspec
import rfc8785

from tap_canai.times import parse_utc, utc_text

KINDS = (
    "user.registered",
    "user.journey_stage_completed",
    "payment.completed",
    "deliverable.generated",
    "feedback.submitted",
    "user.referred_signup",
)
"""The events of the export guide, Webhook Configuration."""
DEEPEST = 20
"""How deep values may be nested: no event needs more than three levels."""

LARGEST_EXACT = 2**53 - 1
"""The largest whole number that every double below it is exact to. Source: RFC 8785, appendix D."""


class NotAnEventError(Exception):
    """The payload is none of the events; the message says which part of it is wrong."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    event_id: str
    """SHA-256 of event, timestamp and data as RFC 8785 canonical JSON, in hex: the payload has no id of its own."""
    kind: str
    at: str
    """When it happened, as the envelope says: UTC with microseconds."""
    data: Mapping[str, Any]


def event_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of an event's `data`, from its file."""
    file = resources.files("tap_canai") / "schemas" / "events" / f"{kind}.json"
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def is_moment(text: str) -> bool:
    """Whether text is an ISO 8601 timestamp."""
    try:
        parse_utc(text)
    except ValueError:
        return False
    return True


@cache
def validator(kind: str) -> Callable[[Any], Any]:
    """A compiled validator of an event's `data`."""
    compiled: Callable[[Any], Any] = fastjsonschema.compile(
        event_schema(kind), formats={"date-time": is_moment}, use_default=False
    )
    return compiled


def parse(body: bytes) -> Event:
    """The event in a request's body. Raises: NotAnEventError."""
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise NotAnEventError("the body is no JSON that can be read") from None
    if not isinstance(envelope, dict):
        raise NotAnEventError("the body is no JSON object")
    if too_deep(envelope):
        raise NotAnEventError(f"values are nested more than {DEEPEST} deep")
    kind, timestamp, data = envelope.get("event"), envelope.get("timestamp"), envelope.get("data")
    if kind not in KINDS:
        raise NotAnEventError(f"event is none of {', '.join(KINDS)}")
    if not isinstance(data, dict):
        raise NotAnEventError("data is no object")
    try:
        validator(kind)(data)
    except fastjsonschema.JsonSchemaValueException as error:
        place = ".".join(str(part) for part in error.path[1:]) or "data"
        raise NotAnEventError(
            f"data: {place} breaks the rule {error.rule!r} of the event's schema"
        ) from None
    return Event(identity(kind, timestamp, data), kind, moment(timestamp), data)


def identity(kind: str, timestamp: object, data: Mapping[str, Any]) -> str:
    """The event's id. Raises: NotAnEventError for numbers or text that canonical JSON cannot hold."""
    told: dict[str, Any] = {"event": kind, "timestamp": timestamp, "data": data}
    try:
        try:
            canonical = rfc8785.dumps(told)
        except rfc8785.IntegerDomainError:
            canonical = rfc8785.dumps(doubles(told))
    except (rfc8785.CanonicalizationError, UnicodeError, OverflowError):
        raise NotAnEventError("a number or text cannot be held by canonical JSON") from None
    return hashlib.sha256(canonical).hexdigest()


def doubles(value: Any) -> Any:
    """Whole numbers beyond what a double holds exactly as the doubles that they are to RFC 8785."""
    if isinstance(value, dict):
        return {name: doubles(one) for name, one in value.items()}
    if isinstance(value, list):
        return [doubles(one) for one in value]
    return (
        float(value)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_EXACT
        else value
    )


def moment(timestamp: object) -> str:
    """The envelope's time in UTC. Raises: NotAnEventError."""
    try:
        return utc_text(parse_utc(str(timestamp)))
    except (ValueError, OverflowError):
        raise NotAnEventError("timestamp is no ISO 8601 time") from None


def too_deep(value: object) -> bool:
    """Whether values are nested deeper than any event needs."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        level = inner
    return True
