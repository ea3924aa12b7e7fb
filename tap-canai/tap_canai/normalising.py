"""One form for every value, whatever the file's format: the same export gives the same records in JSON, CSV and XML.

An empty string is null; a whole number has no point; a timestamp is UTC with microseconds and `Z`. Text that CSV and
XML cannot tell from numbers is read by the schema, and where the schema says nothing, text that reads as a number is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tap_canai.errors import SchemaDrift
from tap_canai.times import parse_utc, utc_text

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
WORDS = {"true": True, "false": False}


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """The types a schema allows; empty where it says nothing."""
    given = schema.get("type", ())
    return {given} if isinstance(given, str) else set(given)


def normal(value: Any, schema: Mapping[str, Any], place: str) -> Any:
    """A value in the one form. Raises: SchemaDrift where it is of another type than the schema says."""
    if value is None or value == "":
        return None
    types = types_of(schema)
    if isinstance(value, Mapping):
        return normal_object(value, schema, place, types)
    if isinstance(value, list):
        if types and "array" not in types:
            raise drift(place, types, "a list")
        return [normal(one, schema.get("items", {}), place) for one in value]
    if isinstance(value, bool):
        if types and "boolean" not in types:
            raise drift(place, types, "a boolean")
        return value
    if isinstance(value, (int, float, Decimal)):
        return normal_number(value, types, place)
    return normal_text(str(value), schema, types, place)


def normal_object(
    value: Mapping[str, Any], schema: Mapping[str, Any], place: str, types: set[str]
) -> dict[str, Any]:
    """An object, each property by its schema."""
    if types and "object" not in types:
        raise drift(place, types, "an object")
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    inner = others if isinstance(others, Mapping) else {}
    return {
        str(name): normal(one, known.get(name, inner), f"{place}.{name}")
        for name, one in value.items()
    }


def normal_number(value: float | Decimal, types: set[str], place: str) -> int | float:
    """A number in shortest form."""
    whole = value == int(value)
    if types and not ("number" in types or ("integer" in types and whole)):
        raise drift(place, types, "a number")
    return int(value) if whole else float(value)


def normal_text(value: str, schema: Mapping[str, Any], types: set[str], place: str) -> Any:
    """Text, or what the schema says it stands for."""
    if "string" in types:
        if schema.get("format") == "date-time":
            try:
                return utc_text(parse_utc(value))
            except ValueError:
                return value
        return value
    if NUMBER.fullmatch(value) and (not types or types & {"number", "integer"}):
        return normal_number(Decimal(value), types, place)
    if value in WORDS and (not types or "boolean" in types):
        return WORDS[value]
    if types:
        raise drift(place, types, "text")
    return value


def drift(place: str, types: set[str], found: str) -> SchemaDrift:
    """What is said of a property that changed its type."""
    wanted = " or ".join(sorted(types - {"null"}))
    return SchemaDrift(
        f"{place} should be {wanted}, the API gives {found}.",
        "Update tap-canai, or tell CanAI's support.",
    )
