"""How a field's value is computed from a record, before it takes the form of its CRM field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import simpleeval

from reverse_etl.mapping.paths import reader
from reverse_etl.mapping.rules import FieldRule
from reverse_etl.values import plain_text

BAD_RECORD = (
    TypeError,
    ValueError,
    ArithmeticError,
    KeyError,
    AttributeError,
    simpleeval.InvalidExpression,
)
"""What a function or an expression raises for a value it was not written for."""
Compute = Callable[[Mapping[str, Any]], object]
"""Computes a value from a record. Raises: any of BAD_RECORD."""
Filter = Callable[[Mapping[str, Any]], bool]
"""Returns True for a record that passes. Raises: any of BAD_RECORD."""


def computation(field: FieldRule, call: Callable[..., Any] | None) -> Compute:
    """How a field's value is computed: `from`, `as`, `map`, `default`, `max_length`, `mask`.

    `call` is the function that `as` names, with the account's facts bound.
    """
    if field.constant is not None:
        constant = field.constant
        return lambda record: constant

    def compute(record: Mapping[str, Any]) -> object:
        if field.whole_record:
            sources: list[object] = [record]
        else:
            sources = [path_value(record, path) for path in field.paths]
        value: object = call(*sources) if call else sources[0]

        if field.table is not None and value is not None:
            value = field.table.get(table_key(value))
        if value is None or value == "":
            value = field.default
        if field.max_length is not None and isinstance(value, str):
            value = value[: field.max_length]
        if field.mask and value is not None:
            value = hashlib.sha256(str(value).encode()).hexdigest()
        return value

    return compute


def key_computation(
    paths: Sequence[str], join: str | None = None
) -> Callable[[Mapping[str, Any]], str | None]:
    """How a key is read from a record: of one property, or of several joined by `join`.

    Numbers are in plain form: 3.0 is the same key as 3. The key is None if any part of it is null
    or empty. Raises: ValueError for several paths without `join`; the key itself any of BAD_RECORD.
    """
    if len(paths) > 1 and join is None:
        raise ValueError("a key of several paths needs `join`")
    readers = [reader(path) for path in paths]

    def key(record: Mapping[str, Any]) -> str | None:
        parts = []
        for read in readers:
            value = read(record)
            if value is None or value == "":
                return None
            parts.append(plain_text(value))
        return (join or "").join(parts)

    return key


def path_value(record: Mapping[str, Any], path: str) -> object:
    """The value at a path such as `address.city`; None if a part of it is absent."""
    return reader(path)(record)


def table_key(value: object) -> str:
    """A value as a key of `map`: YAML keys are text, and 3.0 is the same as 3."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, float)) and value == int(value):
        return str(int(value))
    return str(value)
