"""One form for every value: the same export gives the same records in JSON, CSV and XML.

An empty string is null; a whole number has no point; a timestamp is UTC with microseconds and `Z`.
CSV and XML cannot tell text from numbers, so text is read by the schema; where the schema says
nothing, text that reads as a number is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from singer_kit.times import parse_utc, utc_text

from tap_canai.errors import CONTACT_SUPPORT, SchemaDriftError

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
MOST_DIGITS = 40
"""Digits that are kept exactly, before and after the point; money needs 18."""
LARGEST_EXACT = 2**53
"""Up to here every whole number is a float of its own."""
EXACT = Context(prec=2 * MOST_DIGITS)
WORDS = {"true": True, "false": False}


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """The types a schema allows; empty where it says nothing."""
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else set(types)


def normal(value: Any, schema: Mapping[str, Any], place: str) -> Any:
    """A value in its normal form; `place` names it in messages.

    Raises: SchemaDriftError for another type than the schema says.
    """
    if value is None or value == "":
        return None
    types = types_of(schema)
    if value.__class__ is str:
        return normal_text(value, schema, types, place)
    if isinstance(value, bool):
        if types and "boolean" not in types:
            raise drift(place, types, "a boolean")
        return value
    if isinstance(value, (int, float, Decimal)):
        return normal_number(value, types, place)
    if isinstance(value, list):
        return normal_list(value, schema, types, place)
    if isinstance(value, Mapping):
        return normal_object(value, schema, types, place)
    return normal_text(str(value), schema, types, place)


def normal_object(
    value: Mapping[str, Any], schema: Mapping[str, Any], types: set[str], place: str
) -> dict[str, Any]:
    """An object, each property by its schema. Raises: SchemaDriftError."""
    if types and "object" not in types:
        raise drift(place, types, "an object")
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    rest = others if isinstance(others, Mapping) else {}
    return {
        str(name): normal(inner, known.get(name, rest), f"{place}.{name}")
        for name, inner in value.items()
    }


def normal_list(
    value: list[Any], schema: Mapping[str, Any], types: set[str], place: str
) -> list[Any]:
    """A list, each entry by the schema's `items`. Raises: SchemaDriftError."""
    if types and "array" not in types:
        raise drift(place, types, "a list")
    return [normal(entry, schema.get("items", {}), place) for entry in value]


def normal_number(value: float | Decimal, types: set[str], place: str) -> int | float | Decimal:
    """A number in its shortest exact form. Raises: SchemaDriftError."""
    if not isinstance(value, Decimal) and "number" in types and abs(value) <= LARGEST_EXACT:
        # nearly all numbers: a float is its own shortest form, unless it is whole
        return int(value) if value == int(value) else value
    number = value if isinstance(value, Decimal) else EXACT.create_decimal(repr(value))
    # before anything that writes the digits out: 1e99999999 has as many
    if not number.is_finite() or number.adjusted() >= MOST_DIGITS:
        raise SchemaDriftError(
            f"{place} holds a number of more than {MOST_DIGITS} digits before the point.",
            CONTACT_SUPPORT,
        )
    whole = number == number.to_integral_value() if number.adjusted() >= 0 else not number
    if types and not ("number" in types or ("integer" in types and whole)):
        raise drift(place, types, "a number")
    if whole:
        return int(number)
    nearest = float(number)
    exact = len(number.as_tuple().digits) > MOST_DIGITS or Decimal(repr(nearest)) == number
    return nearest if exact else EXACT.normalize(number)


def normal_text(value: str, schema: Mapping[str, Any], types: set[str], place: str) -> Any:
    """Text, or what it stands for by the schema. Raises: SchemaDriftError."""
    if "string" in types:
        return normal_moment(value) if schema.get("format") == "date-time" else value
    if NUMBER.fullmatch(value) and (not types or types & {"number", "integer"}):
        return normal_number(Decimal(value), types, place)
    if value in WORDS and (not types or "boolean" in types):
        return WORDS[value]
    if types:
        raise drift(place, types, "text")
    return value


def normal_moment(value: str) -> str:
    """A timestamp in UTC; text that is not a timestamp stays as it is."""
    try:
        return utc_text(parse_utc(value))
    except ValueError:
        return value


def drift(place: str, types: set[str], actual: str) -> SchemaDriftError:
    """The error for a property that changed its type."""
    expected = " or ".join(sorted(types - {"null"}))
    return SchemaDriftError(
        f"{place} should be {expected}, but the API sent {actual}.",
        "Update tap-canai, or contact CanAI support.",
    )
