"""Records with one nasty value in one property each, among good ones, as lines of a tap."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tap_canai.schema_files import load_schema

from nasty import OTHERS, TEXTS
from support import Message, record_message, schema_message, user

NUMBERS = (
    "0",
    "-1",
    "9223372036854775808",
    "1" + "0" * 40,
    "1e308",
    "-0.0",
    "1E+99999999",
    "1E-99999999",
    "123456789012345678.99",
    "NaN",
    "-Infinity",
)
"""Numbers as a line of JSON may write them; the last two are not JSON, but some taps write them."""
URLS = (
    "http://127.0.0.1:1/x",
    "https://user:word@[::1]:1/x?signature=s",
    "file:///etc/passwd",
    "https://a b.example/x",
    "https://" + "a" * 64 + ".example/x",
    "https://xn--a.example/x",
)
PLACE = "the poison"
"""What stands for the value until the line is JSON."""
GOOD = 99
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream, and how its good records look."""

    name: str
    key: tuple[str, ...]
    good: Callable[[int], dict[str, Any]]
    """A good record by its number; others of the stream differ from it in their keys."""

    @property
    def schema(self) -> Message:
        """Its SCHEMA."""
        return {**schema_message(self.name), "key_properties": list(self.key)}


def nasty(name: str) -> list[str]:
    """The nasty values of a property, as JSON."""
    values = [json.dumps(value) for value in (*TEXTS, *OTHERS)] + list(NUMBERS)
    return values + [json.dumps(url) for url in URLS] * (name == "pdf_url")


def poisoned(stream: Stream, every: int = 1) -> Iterator[str]:
    """The line of each poisoned record; of a property's values, one in `every`."""
    number = GOOD
    for place, name in enumerate(load_schema(stream.name)["properties"]):
        for turn, value in enumerate(nasty(name)):
            if (turn + place) % every:
                continue
            number += 1
            message = record_message(stream.name, {**stream.good(number), name: PLACE})
            yield json.dumps(message).replace(json.dumps(PLACE), value)


def good_lines(stream: Stream) -> list[str]:
    """The lines of the good records."""
    return [json.dumps(record_message(stream.name, stream.good(each))) for each in range(GOOD)]


def good_keys(stream: Stream) -> set[str]:
    """The primary keys of the good records, as dead letters show them."""
    records = map(stream.good, range(GOOD))
    return {"/".join(str(record[name]) for name in stream.key) for record in records}


# Good records


def moment(number: int) -> str:
    """A time of its own."""
    return (FIRST_DAY + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def good_user(number: int) -> dict[str, Any]:
    record: dict[str, Any] = user(number)["record"]
    return {**record, "phone": f"+49 30 {number:07d}", "total_spent": 12.5, "location": "Bonn"}


def good_payment(number: int) -> dict[str, Any]:
    return {
        "payment_id": f"pay-{number}",
        "user_id": f"user-{number % GOOD}",
        "user_email": f"user{number % GOOD}@example.com",
        "amount": 10,
        "currency": "USD",
        "status": "succeeded",
        "refunded_amount": 0,
        "product_track": "site_audit",
        "created_at": moment(number),
        "updated_at": moment(number),
    }


def good_document(number: int) -> dict[str, Any]:
    return {
        "deliverable_id": f"doc-{number}",
        "user_id": f"user-{number % GOOD}",
        "product_track": "site_audit",
        "canai_output": f"Plan {number}.",
        "created_at": moment(number),
    }


def good_metric(number: int) -> dict[str, Any]:
    return {
        "period_start": moment(number),
        "period_end": moment(number + 24),
        "total_users": number,
        "stage_completion_rates": {"F1_to_F2": 0.5},
    }


def good_event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"event-{number}",
        "sequence": number + 1,
        "event": "user.registered",
        "timestamp": moment(number),
        "received_at": moment(number),
        "user_id": f"guest-{number}",
        "email": f"guest{number}@example.com",
    }


USERS = Stream("users", ("user_id",), good_user)
PAYMENTS = Stream("payments", ("payment_id",), good_payment)
DOCUMENTS = Stream("deliverables", ("deliverable_id",), good_document)
METRICS = Stream("analytics", ("period_start", "period_end"), good_metric)
EVENTS = Stream("events", ("event_id",), good_event)
POISONABLE = (USERS, PAYMENTS, DOCUMENTS, METRICS, EVENTS)
