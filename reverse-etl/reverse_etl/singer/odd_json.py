"""What some taps write and JSON does not have, for which the fast decoder refuses a line.

Halves of surrogate pairs, escapes such as `\\ud800` that stand for no character, are U+FFFD in the
record, which says that a character was not readable. Stage 2 rejects the record if they are in its
primary key or in a property's name, since two of them could become one. NaN and Infinity are text,
which stage 2 rejects where the schema says number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reverse_etl.pipeline.receive import UNREADABLE_IN

ODD = re.compile(r"\\u[dD][89a-fA-F]|NaN|Infinity")
NAMES = ""
"""Stands for the names of properties among those whose text is not readable."""


def decoded(line: str) -> Any:
    """The message of a line that the fast decoder refuses. Raises: ValueError, ArithmeticError."""
    message = json.loads(line, parse_float=Decimal, parse_constant=str)
    record = message.get("record") if isinstance(message, dict) else None
    if isinstance(record, dict):
        readable, unreadable = without_halves(record)
        message["record"] = {**readable, UNREADABLE_IN: unreadable}
    return message


def is_odd(line: str) -> bool:
    """Returns True if a line may hold what JSON does not have."""
    return ODD.search(line) is not None


def without_halves(record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A record with U+FFFD in the place of halves, and the properties that held some."""
    names: list[str] = []
    readable: dict[str, Any] = {}
    for name, value in record.items():
        readable[readable_text(name, names, NAMES)] = readable_value(value, names, name)
    return readable, names


def readable_value(value: Any, names: list[str], place: str) -> Any:
    """A value without halves; `place` is added to the names if there was one."""
    if isinstance(value, str):
        return readable_text(value, names, place)
    if isinstance(value, list):
        return [readable_value(each, names, place) for each in value]
    if isinstance(value, dict):
        return {
            readable_text(name, names, NAMES): readable_value(each, names, place)
            for name, each in value.items()
        }
    return value


def readable_text(text: str, names: list[str], place: str) -> str:
    """A text without halves; `place` is added to the names if there was one."""
    readable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if readable != text and place not in names:
        names.append(place)
    return readable
