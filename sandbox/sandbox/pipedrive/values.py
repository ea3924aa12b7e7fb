"""Which values a field accepts: the strict types of API v2, and what v1 does otherwise.

Source: Pipedrive's published openapi-v2.yaml (2026-08) and the v2 migration guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.pipedrive.fixtures import CURRENCIES

VARCHAR_LENGTH = 255
REFERENCES = {"org": "organizations", "people": "persons"}
"""Objects whose ids a custom field holds, by its type."""
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")

Fits = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """Returns True for text that a varchar holds."""
    return isinstance(value, str) and len(value) <= VARCHAR_LENGTH


def is_number(value: Any) -> bool:
    """Returns True for a number; booleans are not numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_id(value: Any) -> bool:
    """Returns True for a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_date(value: Any) -> bool:
    """Returns True for a date as text."""
    return isinstance(value, str) and bool(DATE.match(value))


def is_value_list(value: Any) -> bool:
    """Returns True for a list such as `[{"value": "a@example.com"}]`."""
    if not isinstance(value, list):
        return False
    return all(isinstance(entry, dict) and isinstance(entry.get("value"), str) for entry in value)


def is_price_list(value: Any) -> bool:
    """Returns True for prices of a product, at most one in each currency."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return False
    used = [entry.get("currency") for entry in value]
    priced = all(is_number(entry.get("price")) for entry in value)
    return priced and len(set(used)) == len(used) and set(used) <= CURRENCIES


def is_participant_list(value: Any) -> bool:
    """Returns True for participants of an activity, such as `[{"person_id": 1}]`."""
    if not isinstance(value, list):
        return False
    return all(isinstance(entry, dict) and is_id(entry.get("person_id")) for entry in value)


def holds_value(value: Any) -> bool:
    """Returns True for an object such as `{"value": "Main St 1"}`."""
    return isinstance(value, dict) and isinstance(value.get("value"), str)


BODY_VALUES: Mapping[str, Fits] = {
    "name": lambda value: is_text(value) and bool(value),
    "text": lambda value: value is None or isinstance(value, str),
    "id": is_id,
    "ids": lambda value: isinstance(value, list) and all(is_id(entry) for entry in value),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "date": is_date,
    "status": lambda value: value in ("open", "won", "lost"),
    "emails": lambda value: (
        is_value_list(value) and all(EMAIL.match(entry["value"]) for entry in value)
    ),
    "entries": is_value_list,
    "prices": is_price_list,
    "participants": is_participant_list,
    "address": lambda value: value is None or holds_value(value),
    "amount": lambda value: (
        value is None or (is_number(value.get("amount")) and value.get("currency") in CURRENCIES)
    ),
}
"""Checks of values in the body of a write, by the kinds of values in the catalog."""

CUSTOM_VALUES: Mapping[str, Fits] = {
    "varchar": is_text,
    "varchar_auto": is_text,
    "phone": is_text,
    "text": lambda value: isinstance(value, str),
    "double": is_number,
    "monetary": lambda value: (
        isinstance(value, dict)
        and is_number(value.get("value"))
        and value.get("currency") in CURRENCIES
    ),
    "date": is_date,
    "address": holds_value,
    "user": is_id,
}
"""Checks of values of custom fields, by type."""
CUSTOM_TYPES = {*CUSTOM_VALUES, *REFERENCES, "enum", "set"}
"""Types of custom fields; `daterange`, `time` and `timerange` are not emulated."""


def fits_custom(field: dict[str, Any], value: Any) -> bool:
    """Returns True if a custom field accepts a value, as far as the value alone decides that."""
    options = {option["id"] for option in field.get("options", [])}
    match field["field_type"]:
        case "enum":
            return value in options and not isinstance(value, bool)
        case "set":
            return isinstance(value, list) and bool(value) and set(value) <= options
        case field_type if field_type in REFERENCES:
            return is_id(value)
        case field_type:
            return CUSTOM_VALUES[field_type](value)
