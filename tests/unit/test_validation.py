"""The validator that is quick with simple properties says what the whole schema says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import fastjsonschema
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_etl.pipeline.receive import Receiver
from reverse_etl.pipeline.validation import compile_validator, simple_types
from tap_canai.schema_files import load_schema

NAMES = ("plain", "maybe", "count", "amount", "flag", "inner", "list", "when", "short", "any")
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["plain", "when"],
    "properties": {
        "plain": {"type": "string", "description": "Text."},
        "maybe": {"type": ["string", "null"]},
        "count": {"type": ["integer", "null"], "title": "How many"},
        "amount": {"type": "number"},
        "flag": {"type": "boolean"},
        "inner": {"type": "object"},
        "list": {"type": ["array", "null"], "items": {"type": "string"}},
        "when": {"type": "string", "format": "date-time"},
        "short": {"type": "string", "maxLength": 3},
        "any": {},
    },
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from([3.0, Decimal("3.0"), 10**400, "2026-01-05T10:00:00Z", "soon", (), {}, [1]]),
    st.lists(st.text(max_size=2), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
)
RECORDS = st.dictionaries(st.sampled_from([*NAMES, "unknown"]), VALUES)
VALID = {"plain": "a", "when": "2026-01-05T10:00:00Z"}


def fault(validate: Callable[[Any], Any], record: Any) -> tuple[str, list[Any]] | None:
    """What a validator says is wrong with a record: the rule, and the place."""
    try:
        validate(record)
    except fastjsonschema.JsonSchemaValueException as error:
        return str(error.rule), list(error.path)
    return None


QUICK = compile_validator(SCHEMA)
WHOLE = fastjsonschema.compile(SCHEMA, use_default=False, detailed_exceptions=True)
CLOSED = {**SCHEMA, "additionalProperties": False}


@given(RECORDS, st.booleans())
def test_it_finds_the_same_faults_as_the_whole_schema(record: dict[str, Any], valid: bool) -> None:
    record = {**record, **VALID} if valid else record
    assert fault(QUICK, record) == fault(WHOLE, record)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_what_it_finds_valid_is_valid_by_the_specification(record: dict[str, Any]) -> None:
    """Formats aside, of which the specification leaves the choice."""
    record = {**record, **VALID, "list": None}
    plain = {
        name: value for name, value in record.items() if not isinstance(value, (tuple, Decimal))
    }
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert (fault(QUICK, plain) is None) == validator.is_valid(plain)


def test_simple_properties_are_those_that_say_no_more_than_their_types() -> None:
    assert simple_types(SCHEMA).keys() == {"plain", "maybe", "count", "amount", "flag", "inner"}
    assert len(simple_types(load_schema("users"))) > 20


@pytest.mark.parametrize(
    "more",
    [
        {"additionalProperties": False},
        {"patternProperties": {"^p": {"maxLength": 1}}},
        {"allOf": [{"required": ["count"]}]},
        {"maxProperties": 1},
        {"properties": True},
    ],
)
def test_a_schema_that_says_more_of_records_is_validated_as_a_whole(more: dict[str, Any]) -> None:
    assert simple_types({**SCHEMA, **more}) == {}


def test_a_record_is_rejected_for_the_property_that_is_wrong() -> None:
    receiver = Receiver.for_schema("things", SCHEMA, ["plain"])
    received = receiver.receive([{**VALID, "count": "many"}, {**VALID, "flag": None}, VALID])
    assert len(received.records) == 1
    assert [str(outcome.error) for outcome in received.ended] == [
        "count violates the rule 'type' of the schema",
        "flag violates the rule 'type' of the schema",
    ]
