"""JSON Schemas as Airbyte's destinations take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNSUPPORTED = ("$ref", "allOf", "not")
"""Words that destinations do not take."""


def open_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema for destinations, open for properties that the platform adds later."""
    opened: dict[str, Any] = {}
    for word, value in schema.items():
        closes = word == "additionalProperties" and not isinstance(value, dict)
        if closes or word in UNSUPPORTED:
            continue
        if word == "properties":
            opened[word] = {name: open_schema(inner) for name, inner in value.items()}
        else:
            opened[word] = open_schema(value) if isinstance(value, dict) else value
    if opened.get("format") == "date-time":
        opened["airbyte_type"] = "timestamp_with_timezone"
    return opened
