"""What a stream's JSON Schema says about the value at a path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from singer_kit.words import suggestion

from reverse_etl.mapping.paths import INDEX

Schema = Mapping[str, Any]
ANYTHING: Schema = {}
"""The schema of a value of which nothing is known."""
COMBINING = ("anyOf", "oneOf", "allOf")
SAYS_SHAPE = ("type", "enum", "const", "properties", "items", "prefixItems")
"""Words of which a schema needs at least one to say what it is of."""


class NoSuchPathError(Exception):
    """A part of a path that the schema rules out; says which, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def stream_properties(schema: Schema) -> dict[str, Any]:
    """The properties of a stream, every `$ref` within its schema replaced by what it refers to."""
    resolved: dict[str, Any] = {}

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(entry) for entry in node]
        if not isinstance(node, Mapping):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {name: resolve(value) for name, value in node.items()}
        if reference not in resolved:
            resolved[reference] = ANYTHING  # a schema that refers to itself ends here
            resolved[reference] = resolve(definition(schema, reference))
        return resolved[reference]

    properties: dict[str, Any] = resolve(schema.get("properties", {}))
    return properties


def definition(schema: Schema, reference: str) -> Any:
    """What a reference such as `#/$defs/address` refers to; anything if it is elsewhere."""
    node: Any = schema
    if not reference.startswith("#"):
        return ANYTHING
    for part in reference.removeprefix("#").strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or name not in node:
            return ANYTHING
        node = node[name]
    return node


def schema_at(stream: str, properties: Schema, path: str) -> Schema:
    """The schema of the value at a path; ANYTHING if the stream's schema does not say it.

    Raises: NoSuchPathError.
    """
    if path in properties:
        found: Schema = properties[path]
        return found
    first, *rest = path.split(".")
    if first not in properties:
        raise NoSuchPathError(
            f"the stream {stream!r} has no property {first!r}.",
            suggestion(first, sorted(properties), "The stream has"),
        )
    schema: Schema = properties[first]
    parent = first
    for part in rest:
        schema = step(schema, part, parent)
        parent = f"{parent}.{part}"
    return schema


def step(schema: Schema, part: str, parent: str) -> Schema:
    """The schema of one part of the value that `schema` describes. Raises: NoSuchPathError."""
    known: dict[str, None] = {}
    found: list[Schema] = []
    is_list = False
    for branch in branches(schema):
        names = types_of(branch)
        if not names:
            return ANYTHING
        if "array" in names and INDEX.fullmatch(part):
            found.append(entry_schema(branch, int(part)))
        is_list = is_list or "array" in names
        if "object" in names:
            property_schema = named_schema(branch, part)
            if property_schema is not None:
                found.append(property_schema)
            known |= dict.fromkeys(branch.get("properties", ()))
    if found:
        return found[0] if len(found) == 1 else {"anyOf": found}
    if is_list:
        hint = f"Choose an entry: `{parent}.0.{part}`, or `{parent}.-1.{part}` for the last."
        raise NoSuchPathError(f"{parent} is a list and has no property {part!r}.", hint)
    hint = suggestion(part, sorted(known), f"{parent} has") if known else ""
    raise NoSuchPathError(f"{parent} has no property {part!r}.", hint)


def branches(schema: Schema) -> Iterator[Schema]:
    """A schema and those that `anyOf`, `oneOf` and `allOf` combine in it, without null."""
    combined = [branch for word in COMBINING for branch in schema.get(word, ())]
    for branch in combined:
        yield from branches(branch)
    says_shape = not combined or any(word in schema for word in SAYS_SHAPE)
    if says_shape and types_of(schema) != {"null"}:
        yield schema


def types_of(schema: Schema) -> set[str]:
    """The JSON types of a schema; none if it does not say them."""
    types = schema.get("type", ())
    names = {types} if isinstance(types, str) else set(types)
    if not names and "properties" in schema:
        return {"object"}
    if not names and ("items" in schema or "prefixItems" in schema):
        return {"array"}
    return names


def named_schema(schema: Schema, name: str) -> Schema | None:
    """The schema of a property; None if an object of this schema has no such property."""
    properties: Mapping[str, Schema] = schema.get("properties") or {}
    if name in properties:
        return properties[name]
    for pattern, property_schema in (schema.get("patternProperties") or {}).items():
        if re.search(pattern, name):
            return dict(property_schema)
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        return others
    # JSON Schema takes other properties by default, but then a typo could never be noticed
    open_ended = others is True or (others is None and not properties)
    return ANYTHING if open_ended else None


def entry_schema(schema: Schema, index: int) -> Schema:
    """The schema of an entry of a list."""
    first = schema.get("prefixItems") or ()
    items = schema.get("items", ANYTHING)
    if isinstance(items, list):  # how drafts before 2020-12 write prefixItems
        first, items = items, schema.get("additionalItems", ANYTHING)
    if 0 <= index < len(first):
        return dict(first[index])
    if index < 0 and first:
        return ANYTHING
    return items if isinstance(items, Mapping) else ANYTHING
