"""Halves of surrogate pairs in a message: escapes such as `\\ud800` that stand for no character.

Some taps write them, and the fast decoder refuses the line. A record is read with U+FFFD in their
place, which says that a character was not readable. Stage 2 rejects the record if they are in its
primary key, or in a property's name, since two of them could become one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reverse_etl.pipeline.receive import UNREADABLE_IN

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
NAMES = ""
"""Stands for the names of properties among those whose text is not readable."""


def decoded(line: str) -> Any:
    """The message of a line that may hold halves. Raises: ValueError, ArithmeticError."""
    message = json.loads(line, parse_float=Decimal, parse_constant=no_number)
    record = message.get("record") if isinstance(message, dict) else None
    if isinstance(record, dict):
        readable, unreadable = without_halves(record)
        message["record"] = {**readable, UNREADABLE_IN: unreadable}
    return message


def has_half(line: str) -> bool:
    """Returns True if a line has the escape of a surrogate."""
    return SURROGATE.search(line) is not None


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


def no_number(word: str) -> None:
    """Raises: ValueError, for the NaN and Infinity that Python's reader would let pass."""
    raise ValueError("not a number")
