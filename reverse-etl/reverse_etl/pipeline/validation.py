"""A record against the schema of its stream, by code that is made once a schema.

Most properties say no more than their types. These are compared by themselves, and the code that
fastjsonschema makes sees the others. A record that fails either of the two is validated against the
whole schema, which alone says whether it is valid and, if not, why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import NoneType
from typing import Any

import fastjsonschema

Validate = Callable[[Any], Any]
"""Raises: JsonSchemaValueException."""
TYPES: Mapping[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float, Decimal}),
    "boolean": frozenset({bool}),
    "null": frozenset({NoneType}),
    "object": frozenset({dict}),
    "array": frozenset({list}),
}
"""Values that are of a type for certain; of others, such as 3.0, the schema decides."""
SAYS_NOTHING = {"title", "description", "default", "examples", "contentMediaType", "$comment"}
"""Words of a schema that no value can violate."""
OF_RECORDS = {*SAYS_NOTHING, "type", "properties", "required", "$schema", "$id"}
"""Words of a schema under which its properties can be validated one by one."""


def compile_validator(schema: dict[str, Any]) -> Validate:
    """The validator of a schema. Raises: JsonSchemaDefinitionException."""
    whole = compiled(schema)
    simple = simple_types(schema)
    if not simple:
        return whole
    others = {name: value for name, value in schema["properties"].items() if name not in simple}
    rest = compiled({**schema, "properties": others})
    checks = tuple(simple.items())

    def validate(record: Any) -> None:
        get = record.get
        for name, types in checks:
            if type(get(name)) not in types and name in record:
                whole(record)
                return
        try:
            rest(record)
        except fastjsonschema.JsonSchemaValueException:
            whole(record)

    return validate


def compiled(schema: dict[str, Any]) -> Validate:
    """The code for a schema. Raises: JsonSchemaDefinitionException."""
    validate: Validate = fastjsonschema.compile(schema, use_default=False, detailed_exceptions=True)
    return validate


def simple_types(schema: Mapping[str, Any]) -> dict[str, frozenset[type]]:
    """The properties that say no more than their types; none if they are not all there is."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not schema.keys() <= OF_RECORDS:
        return {}
    simple: dict[str, frozenset[type]] = {}
    for name, property_schema in properties.items():
        if not isinstance(property_schema, Mapping):
            continue
        words = property_schema.keys() - SAYS_NOTHING
        named = property_schema.get("type")
        names = [named] if isinstance(named, str) else named
        if words == {"type"} and isinstance(names, list) and all(each in TYPES for each in names):
            simple[name] = frozenset().union(*(TYPES[each] for each in names))
    return simple
