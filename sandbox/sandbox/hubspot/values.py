"""What a property can hold: checking a value, and the form HubSpot keeps it in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

MAX_TEXT = 65_536
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
EPOCH_MS = re.compile(r"^-?\d{1,14}$")


def text_of(value: Any) -> str:
    """A value of a JSON body as text, which is all that HubSpot keeps."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


def value_error(definition: dict[str, Any], value: str) -> tuple[str, str] | None:
    """HubSpot's error code and message for a value, None if the property can hold it."""
    name, kind = definition["name"], definition["type"]
    if definition["modificationMetadata"]["readOnlyValue"]:
        return "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
    if value == "":
        return None
    if name == "email" and not EMAIL.match(value):
        return "INVALID_EMAIL", f"Email address {value} is invalid"

    match kind:
        case "string" if len(value) > MAX_TEXT:
            return "VALUE_TOO_LONG", f"{name} is too long: the limit is {MAX_TEXT} characters"
        case "number" if not is_number(value):
            return "INVALID_NUMBER", f'"{value}" was not a valid number.'
        case "bool" if value not in ("true", "false"):
            return "INVALID_BOOLEAN", f'"{value}" was not a valid boolean.'
        case "enumeration" if definition["options"]:
            return option_error(definition, value)
        case "datetime" | "date" if normal_time(kind, value) is None:
            return "INVALID_DATE", f"{value} was not a valid {kind}."
    return None


def option_error(definition: dict[str, Any], value: str) -> tuple[str, str] | None:
    """The error for a value that is not made of the property's options."""
    options = {option["value"] for option in definition["options"]}
    if set(value.split(";")) <= options:
        return None
    return "INVALID_OPTION", f"{value} was not one of the allowed options: {sorted(options)}"


def is_number(value: str) -> bool:
    """Returns True if the text is a number."""
    try:
        float(value)
    except ValueError:
        return False
    return True


def normal_time(kind: str, value: str) -> str | None:
    """A date or date-time as HubSpot returns it, None if HubSpot does not accept it."""
    try:
        moment = moment_of(value)
    except (ValueError, OverflowError):
        return None

    if kind == "date":
        midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
        return moment.date().isoformat() if midnight else None
    # not strftime, whose year has fewer than four digits before the year 1000
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment_of(value: str) -> datetime:
    """Milliseconds since 1970, or ISO 8601, in UTC.

    Raises: ValueError, OverflowError.
    """
    if EPOCH_MS.match(value):
        return datetime.fromtimestamp(int(value) / 1000, UTC)

    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stored(definition: dict[str, Any], value: str) -> str:
    """A valid value as HubSpot keeps it."""
    kind = definition["type"]
    if value and kind in ("datetime", "date"):
        return normal_time(kind, value) or value
    if value and kind == "number":
        number = float(value)
        whole = number.is_integer() and abs(number) < 1e15
        return str(int(number)) if whole else repr(number)
    return value.strip().lower() if definition["name"] == "email" else value
