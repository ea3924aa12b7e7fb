"""Bytes of a request → `Event`, or `NotAnEventError` with the reason.

No reason holds a value of the payload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import fastjsonschema
import msgspec
import rfc8785
from singer_kit.times import not_ahead, parse_utc, utc_text

from tap_canai.schema_files import load_schema

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
    """An event of the platform."""

    event_id: str
    """SHA-256 of event, timestamp and data as RFC 8785 canonical JSON, in hex.

    The payload has no id of its own.
    """
    kind: str
    at: str
    """When it happened, as the envelope says: UTC with microseconds."""
    data: Mapping[str, Any]


def at_latest(event: Event, now: datetime) -> Event:
    """The event, which happened now if its envelope names a time in the future."""
    latest = not_ahead(parse_utc(event.at), now)
    return replace(event, at=utc_text(latest))


def event_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of an event's `data`."""
    return load_schema(f"events/{kind}")


def is_timestamp(text: str) -> bool:
    """Returns True if text is an ISO 8601 timestamp."""
    try:
        parse_utc(text)
    except ValueError:
        return False
    return True


@cache
def validator(kind: str) -> Callable[[Any], Any]:
    """A compiled validator of an event's `data`."""
    compiled: Callable[[Any], Any] = fastjsonschema.compile(
        event_schema(kind), formats={"date-time": is_timestamp}, use_default=False
    )
    return compiled


def parse(body: bytes) -> Event:
    """The event in a request's body. Raises: NotAnEventError."""
    envelope = decoded(body)
    kind, timestamp, data = envelope.get("event"), envelope.get("timestamp"), envelope.get("data")
    if kind not in KINDS:
        raise NotAnEventError(f"event is none of {', '.join(KINDS)}")
    if not isinstance(data, dict):
        raise NotAnEventError("data is not an object")
    try:
        validator(kind)(data)
    except fastjsonschema.JsonSchemaValueException as error:
        place = ".".join(str(part) for part in error.path[1:]) or "data"
        raise NotAnEventError(
            f"data: {place} breaks the rule {error.rule!r} of the event's schema"
        ) from None
    return Event(identity(kind, timestamp, data), kind, moment(timestamp), data)


def decoded(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body. Raises: NotAnEventError."""
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise NotAnEventError("the body is not valid JSON") from None
    if not isinstance(envelope, dict):
        raise NotAnEventError("the body is not a JSON object")
    if is_too_deep(envelope):
        raise NotAnEventError(f"values are nested more than {DEEPEST} deep")
    return envelope


def identity(kind: str, timestamp: object, data: Mapping[str, Any]) -> str:
    """The event's id. Raises: NotAnEventError for what canonical JSON cannot represent."""
    payload: dict[str, Any] = {"event": kind, "timestamp": timestamp, "data": data}
    try:
        try:
            canonical = rfc8785.dumps(payload)
        except rfc8785.IntegerDomainError:
            canonical = rfc8785.dumps(with_doubles(payload))
    except (rfc8785.CanonicalizationError, UnicodeError, OverflowError):
        raise NotAnEventError("canonical JSON cannot represent a number or text of it") from None
    return hashlib.sha256(canonical).hexdigest()


def with_doubles(value: Any) -> Any:
    """Whole numbers too large for a double to be exact as doubles, which they are to RFC 8785."""
    if isinstance(value, dict):
        return {name: with_doubles(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_doubles(entry) for entry in value]
    is_large = isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_EXACT
    return float(value) if is_large else value


def moment(timestamp: object) -> str:
    """The envelope's time in UTC. Raises: NotAnEventError."""
    try:
        return utc_text(parse_utc(str(timestamp)))
    except (ValueError, OverflowError):
        raise NotAnEventError("timestamp is not a valid ISO 8601 time") from None


def is_too_deep(value: object) -> bool:
    """Returns True if values are nested deeper than any event needs."""
    level: list[object] = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for entry in level:
            if isinstance(entry, dict):
                inner += entry.values()
            elif isinstance(entry, list):
                inner += entry
        if not inner:
            return False
        level = inner
    return True
