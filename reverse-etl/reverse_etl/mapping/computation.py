"""How a field's value is computed from a record, before it takes the form of its CRM field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import simpleeval

from reverse_etl.mapping.parsing import field_parser
from reverse_etl.mapping.paths import reader
from reverse_etl.mapping.rules import FieldRule
from reverse_etl.values import joined_text, plain_text

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
"""Computes a value from a record. Raises: RowError, or any of BAD_RECORD."""
Filter = Callable[[Mapping[str, Any]], bool]
"""Returns True for a record that passes. Raises: any of BAD_RECORD."""
Step = Callable[[Any], object]
"""One word of a field, applied to the value that the words before it give."""


def computation(
    field: FieldRule,
    call: Callable[..., Any] | None,
    *,
    is_key: bool = False,
    lists: bool = False,
) -> Compute:
    """How a field's value is computed, word by word.

    First the source (`from` with `as` or `join`), then `parse`, `map`, `default`, `max_length` and
    `mask`. `call` is the function that `as` names, with the account's facts bound. `is_key` is True
    for the upsert key, which is null if any of its joined parts is; `lists` if the CRM's field
    takes several values, so that a list is never made text.
    """
    if field.constant is not None:
        constant = field.constant
        return lambda record: constant
    source: Compute
    if is_key and field.join is not None:
        source = key_computation(field.paths, field.join)
    else:
        source = source_computation(field, call)
    steps = [*steps_of(field, lists)]
    if not steps:
        return source

    def compute(record: Mapping[str, Any]) -> object:
        value = source(record)
        for step in steps:
            value = step(value)
        return value

    return compute


def source_computation(field: FieldRule, call: Callable[..., Any] | None) -> Compute:
    """What `from` gives, with `as` or `join`."""
    if field.whole_record:
        return call or (lambda record: record)
    readers = [reader(path) for path in field.paths]
    if call is not None:
        function = call
        return lambda record: function(*[read(record) for read in readers])
    if field.join is None:
        return readers[0]
    join = field.join

    def compute(record: Mapping[str, Any]) -> object:
        parts = [read(record) for read in readers]
        return join.join(plain_text(part) for part in parts if part not in (None, "")) or None

    return compute


def steps_of(field: FieldRule, lists: bool) -> list[Step]:
    """The words of a field that change a value, in the order in which they apply."""
    steps: list[Step] = []
    if field.parse is not None:
        steps.append(field_parser(field.name, field.parse))
    if field.table is not None:
        steps.append(replacing(field.table))
    if field.default is not None:
        steps.append(defaulting(field.default))
    if field.max_length is not None:
        steps.append(cutting(field.max_length, lists))
    if field.mask:
        steps.append(masked)
    return steps


def replacing(table: Mapping[str, Any]) -> Step:
    """The word `map`: of a list, each entry by itself; what is not in the table is null."""

    def replace(value: Any) -> object:
        if value is None:
            return None
        if isinstance(value, (list, tuple)):
            return [table.get(plain_text(entry)) for entry in value if entry is not None]
        return table.get(plain_text(value))

    return replace


def defaulting(default: object) -> Step:
    """The word `default`: instead of null, of empty text, and of a list without a value."""

    def fill(value: Any) -> object:
        if value is None or value == "":
            return default
        if isinstance(value, (list, tuple)) and all(entry in (None, "") for entry in value):
            return default
        return value

    return fill


def cutting(length: int, lists: bool) -> Step:
    """The word `max_length`: cuts text, and a list that is sent as text."""

    def cut(value: Any) -> object:
        if isinstance(value, (list, tuple)) and not lists:
            value = joined_text(value)
        return value[:length] if isinstance(value, str) else value

    return cut


def masked(value: Any) -> object:
    """The word `mask`: the SHA-256 hash of a value's text."""
    if value is None:
        return None
    text = joined_text(value) if isinstance(value, (list, tuple)) else str(value)
    return hashlib.sha256(text.encode()).hexdigest() if text else None


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
