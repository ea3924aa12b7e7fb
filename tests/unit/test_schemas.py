"""Every part of a path is checked against the stream's JSON Schema; kinds follow it."""

from __future__ import annotations

from typing import Any

import pytest
from reverse_etl.mapping.kinds import SourceKind, schema_kind
from reverse_etl.mapping.schemas import NoSuchPathError, schema_at, stream_properties

CITY = {"type": ["string", "null"]}
ADDRESS = {"type": "object", "properties": {"city": CITY, "since": {"type": "integer"}}}
SCHEMA: dict[str, Any] = {
    "$defs": {
        "address": ADDRESS,
        "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
    },
    "properties": {
        "id": {"type": "string"},
        "name": {
            "type": ["object", "null"],
            "properties": {"given": {"type": "string"}, "family": {"type": "string"}},
        },
        "address": {"anyOf": [{"$ref": "#/$defs/address"}, {"type": "null"}]},
        "either": {
            "oneOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}},
                {"type": "object", "properties": {"b": {"type": "string"}}},
            ]
        },
        "both": {"allOf": [{"properties": {"a": CITY}}, {"properties": {"b": CITY}}]},
        "addresses": {"type": "array", "items": {"$ref": "#/$defs/address"}},
        "pair": {"prefixItems": [{"type": "integer"}, {"type": "string", "format": "date"}]},
        "old_pair": {"type": "array", "items": [{"type": "integer"}, {"type": "boolean"}]},
        "listed": {"type": "array"},
        "tree": {"$ref": "#/$defs/node"},
        "lost": {"$ref": "#/$defs/gone"},
        "elsewhere": {"$ref": "https://schemas.example/other.json"},
        "anything": {},
        "free": {"type": "object"},
        "open": {
            "type": "object",
            "properties": {"known": CITY},
            "additionalProperties": {"type": "number"},
        },
        "closed": {"type": "object", "additionalProperties": False},
        "patterned": {"type": "object", "patternProperties": {"^x_": {"type": "boolean"}}},
        "dotted.name": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["red", "green", None]}},
    },
}
PROPERTIES = stream_properties(SCHEMA)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("id", "text"),
        ("name.family", "text"),
        ("address.city", "text"),
        ("address.since", "integer"),
        ("either.a", "integer"),
        ("either.b", "text"),
        ("both.b", "text"),
        ("addresses.0.city", "text"),
        ("addresses.-1.since", "integer"),
        ("pair.0", "integer"),
        ("pair.1", "date"),
        ("old_pair.1", "boolean"),
        ("dotted.name", "integer"),
        ("open.known", "text"),
        ("open.other", "number"),
        ("patterned.x_1", "boolean"),
        ("listed.0", None),
        ("listed.0.deeper", None),
        ("pair.-1", None),
        ("tree.next.next.next", None),
        ("lost.any", None),
        ("elsewhere.any", None),
        ("anything.at.all", None),
        ("free.any", None),
    ],
)
def test_the_kind_of_a_nested_value_follows_the_schema(path: str, kind: str | None) -> None:
    assert schema_kind(schema_at("people", PROPERTIES, path)).kind == kind


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("nam", "the stream 'people' has no property 'nam'.", "Did you mean 'name'?"),
        ("nam.given", "the stream 'people' has no property 'nam'.", "Did you mean 'name'?"),
        ("name.famly", "name has no property 'famly'.", "Did you mean 'family'?"),
        ("address.citty", "address has no property 'citty'.", "Did you mean 'city'?"),
        ("addresses.0.cty", "addresses.0 has no property 'cty'.", "Did you mean 'city'?"),
        ("addresses.city", "addresses is a list and has no property 'city'.", "addresses.0.city"),
        ("name.zzz", "name has no property 'zzz'.", "name has: family, given."),
        ("id.part", "id has no property 'part'.", ""),
        ("name.given.0", "name.given has no property '0'.", ""),
        ("either.c", "either has no property 'c'.", "either has: a, b."),
        ("closed.any", "closed has no property 'any'.", ""),
    ],
)
def test_a_part_that_the_schema_rules_out_is_named(path: str, message: str, hint: str) -> None:
    with pytest.raises(NoSuchPathError) as error:
        schema_at("people", PROPERTIES, path)
    assert error.value.message == message
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (PROPERTIES["tags"], SourceKind("choices", ("red", "green"))),
        ({"type": "array", "items": {"type": "string"}}, SourceKind("choices")),
        ({"type": ["array", "null"], "items": {"type": "number"}}, SourceKind("choices")),
        (
            {"type": "array", "items": {"type": "object"}},
            SourceKind(structured="a list of objects"),
        ),
        ({"type": ["object", "null"]}, SourceKind(structured="an object")),
        ({"type": "array", "items": {"type": "array"}}, SourceKind()),
        ({"anyOf": [{"enum": ["a"]}, {"enum": ["b"]}]}, SourceKind("choice", ("a", "b"))),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, SourceKind()),
        ({"oneOf": [{"type": "null"}, {"type": "boolean"}]}, SourceKind("boolean")),
    ],
)
def test_kinds_of_lists_and_alternatives(schema: Any, expected: SourceKind) -> None:
    assert schema_kind(schema) == expected
