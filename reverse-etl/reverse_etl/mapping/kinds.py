"""Which kind of value a rule gives a field, as far as the rule and the stream's schema say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.rules import FieldRule
from reverse_etl.mapping.schemas import ANYTHING, NoSuchPathError, branches, schema_at, types_of
from reverse_etl.values import Kind, plain_text

ACCEPTS: dict[Kind, set[Kind]] = {
    "text": {"text", "integer", "number", "boolean", "date", "datetime", "choice", "choices"},
    "choice": {"text", "choice", "integer", "boolean"},
    "choices": {"choices", "choice", "text", "integer"},
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
}
"""By JSON Schema type, in the order in which a property of several types is taken."""
ENTRY_KINDS: tuple[Kind, ...] = ("text", "choice", "integer", "number")
"""The kinds of a list's entries that can be options."""


@dataclass(frozen=True, slots=True)
class SourceKind:
    """The kind of a value before it reaches the CRM."""

    kind: Kind | None = None
    """None if neither rule nor schema say it."""
    options: tuple[str, ...] = ()
    """The values it can have, if it is a choice or several of them."""
    long_text: bool = False
    """True if its text may be longer than a short text field holds."""
    structured: str = ""
    """What it is if no field can hold it: an object, or a list of objects."""


def source_kind(
    field: FieldRule, properties: Mapping[str, Any], functions: Mapping[str, Function]
) -> SourceKind:
    """The kind of value that a field's rule gives; what comes last in the rule decides."""
    if field.mask:
        return SourceKind("text")
    source = read_kind(field, properties, functions)
    if field.parse is not None:
        source = SourceKind(field.parse.kind)
    if field.table is not None:
        source = table_kind(field, source)
    if field.options:
        return SourceKind("choices" if source.kind == "choices" else "choice", field.options)
    return source


def read_kind(
    field: FieldRule, properties: Mapping[str, Any], functions: Mapping[str, Function]
) -> SourceKind:
    """The kind of what a field's source gives, before other words change it."""
    if field.function is not None:
        function = functions[field.function]
        return SourceKind(function.kind, function.options, function.long_text)
    if field.constant is not None:
        return SourceKind(CONSTANT_KINDS[type(field.constant)], (str(field.constant),))
    if field.join is not None:
        return SourceKind("text")
    return SourceKind() if field.whole_record else schema_kind(known_at(properties, field.paths[0]))


def known_at(properties: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The schema at a path; anything if there is none (`check_properties` reports that)."""
    try:
        return schema_at("", properties, path)
    except NoSuchPathError:
        return ANYTHING


def table_kind(field: FieldRule, source: SourceKind) -> SourceKind:
    """A choice of the values in the field's `map`, if they are text; several, of a list."""
    values = list((field.table or {}).values())
    if field.default is not None:
        values.append(field.default)
    if all(isinstance(value, str) for value in values):
        kind: Kind = "choices" if source.kind == "choices" else "choice"
        return SourceKind(kind, tuple(dict.fromkeys(values)))
    return SourceKind("choices" if source.kind == "choices" else None)


def schema_kind(schema: Mapping[str, Any]) -> SourceKind:
    """The kind of value that a JSON Schema describes; none for an object or a list of them."""
    alternatives = [branch_kind(branch) for branch in branches(schema)]
    kinds = {alternative.kind for alternative in alternatives}
    if len(kinds) != 1:
        return SourceKind()
    if all(alternative.structured for alternative in alternatives):
        return alternatives[0]
    options = [option for alternative in alternatives for option in alternative.options]
    listed = all(alternative.options for alternative in alternatives)
    long_text = any(alternative.long_text for alternative in alternatives)
    return SourceKind(kinds.pop(), tuple(dict.fromkeys(options)) if listed else (), long_text)


def branch_kind(schema: Mapping[str, Any]) -> SourceKind:
    """The kind of value that a schema without alternatives describes."""
    names = types_of(schema)
    long_text = schema.get("contentMediaType") == "text/plain"
    if schema.get("enum"):
        options = tuple(plain_text(option) for option in schema["enum"] if option is not None)
        return SourceKind("choice", options, long_text)
    if "string" in names:
        kind = STRING_KINDS.get(schema.get("format", ""), "text")
        return SourceKind(kind, long_text=long_text)
    if "array" in names:
        return list_kind(schema)
    if names - {"null"} == {"object"}:
        return SourceKind(structured="an object")
    kinds = [kind for name, kind in SCHEMA_KINDS.items() if name in names]
    return SourceKind(kinds[0] if kinds else None, long_text=long_text)


def list_kind(schema: Mapping[str, Any]) -> SourceKind:
    """Several choices, if the entries of a list can be such; no kind otherwise."""
    items = schema.get("items")
    if not isinstance(items, Mapping) or not items:
        return SourceKind("choices")
    entry = schema_kind(items)
    if entry.structured:
        return SourceKind(structured="a list of objects")
    return SourceKind("choices", entry.options) if entry.kind in ENTRY_KINDS else SourceKind()
