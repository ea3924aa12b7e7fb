"""What a field can hold: checking a value, and the form Salesforce keeps it in."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from sandbox.clock import parse_iso
from sandbox.salesforce.errors import RowError, missing

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
TEXT_TYPES = {
    "string",
    "textarea",
    "email",
    "phone",
    "url",
    "picklist",
    "reference",
    "id",
    "base64",
}
NUMBER_TYPES = ("double", "currency", "percent", "int")


def kept_value(field: dict[str, Any], value: Any) -> Any:
    """A value as Salesforce keeps it.

    Raises: RowError.
    """
    kind = field["type"]
    if value is None or value == "":
        if kind == "boolean":
            raise wrong_type(field, "")
        if not field["nillable"]:
            raise missing([field["name"]])
        return None

    if kind == "multipicklist":
        return kept_choices(field, str(value))
    if kind in TEXT_TYPES:
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise wrong_type(field, value)
        return kept_text(field, str(value))
    if kind in NUMBER_TYPES:
        return kept_number(field, value)
    if kind == "boolean":
        if not isinstance(value, bool):
            raise wrong_type(field, value)
        return value
    return kept_time(field, value)


def wrong_type(field: dict[str, Any], value: Any) -> RowError:
    """The error for a value of another type than the field's."""
    message = f"{field['label']}: value not of required type: {value}"
    return RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", message, [field["name"]])


def kept_number(field: dict[str, Any], value: Any) -> float:
    """A number, rounded to the field's scale, of at most its precision.

    Source: a recorded answer in declarative-lookup-rollup-summaries issue 713, read 2026-11-29.

    Raises: RowError.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(field, value)
    # Adding zero turns -0.0 into 0.0.
    kept = float(round(float(value) + 0.0, field["scale"]))
    digits = field["precision"] - field["scale"] if field["precision"] else field["digits"]
    if abs(kept) >= 10**digits:
        message = f"{field['label']}: value outside of valid range on numeric field: {value}"
        raise RowError("NUMBER_OUTSIDE_VALID_RANGE", message, [field["name"]])
    return kept


def kept_time(field: dict[str, Any], value: Any) -> str:
    """A date, or a date-time in UTC.

    Raises: RowError.
    """
    try:
        if field["type"] == "date":
            return date.fromisoformat(str(value)[:10]).isoformat()
        moment = parse_iso(str(value))
    except ValueError as error:
        raise wrong_type(field, value) from error
    # not strftime, whose year has fewer than four digits before the year 1000
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + ".000+0000"


def kept_text(field: dict[str, Any], value: str) -> str:
    """Text without space around it.

    Raises: RowError.
    """
    names, label, length = [field["name"]], field["label"], field["length"]
    if field["type"] == "email" and not EMAIL.match(value):
        message = f"{label}: invalid email address: {value}"
        raise RowError("INVALID_EMAIL_ADDRESS", message, names)
    if length and len(value) > length:
        message = f"{label}: data value too large: {value} (max length={length})"
        raise RowError("STRING_TOO_LONG", message, names)
    if field["type"] == "picklist":
        check_picklist(field, value)
    return value.strip()


def kept_choices(field: dict[str, Any], value: str) -> str | None:
    """Values of a multi-select picklist, each once, in the order in which they were created.

    Source: Salesforce Help, Multi-Select Picklist Value Ordering Behavior, read 2026-11-29.

    Raises: RowError.
    """
    chosen = [part.strip() for part in value.split(";") if part.strip()]
    for part in chosen:
        check_picklist(field, part)
    known = [entry["value"] for entry in field["picklistValues"]]
    places = {part: place for place, part in enumerate(known)}
    ordered = sorted(dict.fromkeys(chosen), key=lambda part: places.get(part, len(places)))
    return ";".join(ordered) or None


def check_picklist(field: dict[str, Any], value: str) -> None:
    """Check that a restricted picklist has an active value.

    Raises: RowError.
    """
    if not field["restrictedPicklist"]:
        return
    if value not in {entry["value"] for entry in field["picklistValues"] if entry["active"]}:
        message = f"{field['label']}: bad value for restricted picklist field: {value}"
        raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field["name"]])
