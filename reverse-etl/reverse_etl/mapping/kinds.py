"""Which kind of value a rule gives a field, as far as the rule and the stream's schema say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.rules import FieldRule
from reverse_etl.values import Kind

ACCEPTS: dict[Kind, set[Kind]] = {
    "text": {"text", "integer", "number", "boolean", "date", "datetime", "choice", "choices"},
    "choice": {"text", "choice", "integer", "boolean"},
    "choices": {"choices", "choice", "text"},
    "integer": {"integer", "number"},
    "number": {"integer", "number"},
    "boolean": {"boolean"},
    "date": {"date", "datetime"},
    "datetime": {"date", "datetime"},
}
"""The kinds of value that each kind of field takes."""
CONSTANT_KINDS: dict[type, Kind] = {
    str: "choice",
    bool: "boolean",
    int: "integer",
    float: "number",
}
STRING_KINDS: dict[str, Kind] = {"date-time": "datetime", "date": "date"}
"""By the `format` of a JSON Schema string."""
SCHEMA_KINDS: dict[str, Kind] = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "choices",
}
"""By JSON Schema type, in the order in which a property of several types is taken."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """The kind of a value before it reaches the CRM."""

    kind: Kind | None = None
    """None if neither rule nor schema say it."""
    options: tuple[str, ...] = ()
    """The values it can have, if it is a choice."""
    long_text: bool = False
    """True if its text may be longer than a short text field holds."""


def source_kind(
    field: FieldRule, properties: Mapping[str, Any], functions: Mapping[str, Function]
) -> SourceKind:
    """The kind of value that a field's rule gives; what comes last in the rule decides."""
    if field.mask:
        return SourceKind("text")
    if field.table is not None:
        return table_kind(field)
    if field.function is not None:
        function = functions[field.function]
        return SourceKind(function.kind, function.options, function.long_text)
    if field.constant is not None:
        return SourceKind(CONSTANT_KINDS[type(field.constant)], (str(field.constant),))
    if len(field.paths) == 1 and "." not in field.paths[0]:
        return schema_kind(properties[field.paths[0]])
    return SourceKind()


def table_kind(field: FieldRule) -> SourceKind:
    """A choice of the values in the field's `map`, if they are text."""
    values = list((field.table or {}).values())
    if field.default is not None:
        values.append(field.default)
    if all(isinstance(value, str) for value in values):
        return SourceKind("choice", tuple(dict.fromkeys(values)))
    return SourceKind()


def schema_kind(schema: Mapping[str, Any]) -> SourceKind:
    """The kind of a JSON Schema property; none for an object or a list of them."""
    types = schema.get("type", [])
    names = {types} if isinstance(types, str) else set(types)
    long_text = schema.get("contentMediaType") == "text/plain"
    if schema.get("enum"):
        options = tuple(str(option) for option in schema["enum"] if option is not None)
        return SourceKind("choice", options, long_text)
    if "string" in names:
        kind = STRING_KINDS.get(schema.get("format", ""), "text")
        return SourceKind(kind, long_text=long_text)
    kinds = [kind for name, kind in SCHEMA_KINDS.items() if name in names]
    return SourceKind(kinds[0] if kinds else None, long_text=long_text)
