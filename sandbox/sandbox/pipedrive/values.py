"""The strict types of API v2: which values a field accepts.

Source: Pipedrive's published openapi-v2.yaml (2026-08) and the v2 migration guide.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.pipedrive.fixtures import CURRENCIES

VARCHAR_LENGTH = 255
CUSTOM_TYPES = {
    "varchar",
    "varchar_auto",
    "text",
    "double",
    "monetary",
    "date",
    "enum",
    "set",
    "phone",
}
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")


def is_text(value: Any) -> bool:
    """Returns True for text that a varchar holds."""
    return isinstance(value, str) and len(value) <= VARCHAR_LENGTH


def is_number(value: Any) -> bool:
    """Returns True for a number; booleans are not numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_date(value: Any) -> bool:
    """Returns True for a date as text."""
    return isinstance(value, str) and bool(DATE.match(value))


def is_value_list(value: Any) -> bool:
    """Returns True for a list such as `[{"value": "a@example.com"}]`."""
    if not isinstance(value, list):
        return False
    return all(isinstance(entry, dict) and isinstance(entry.get("value"), str) for entry in value)


def fits_standard(name: str, value: Any) -> bool:
    """Returns True if a standard field accepts a value, as far as the value alone decides that."""
    match name:
        case "name" | "title":
            return is_text(value) and bool(value)
        case "emails":
            return is_value_list(value) and all(EMAIL.match(entry["value"]) for entry in value)
        case "phones":
            return is_value_list(value)
        case "value":
            return is_number(value)
        case "expected_close_date":
            return is_date(value)
        case "status":
            return value in ("open", "won", "lost")
    return True


def fits_custom(field: dict[str, Any], value: Any) -> bool:
    """Returns True if a custom field accepts a value."""
    options = {option["id"] for option in field.get("options", [])}
    match field["field_type"]:
        case "varchar" | "varchar_auto" | "phone":
            return is_text(value)
        case "text":
            return isinstance(value, str)
        case "double":
            return is_number(value)
        case "monetary":
            return isinstance(value, dict) and value.get("currency") in CURRENCIES
        case "date":
            return is_date(value)
        case "enum":
            return value in options and not isinstance(value, bool)
        case "set":
            return isinstance(value, list) and bool(value) and set(value) <= options
    return False
