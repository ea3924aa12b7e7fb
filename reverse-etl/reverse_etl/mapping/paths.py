"""Paths into a record, such as `address.city`, `addresses.0.city` or `addresses.-1.city`.

A property whose own name contains dots wins over the path that its name looks like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

INDEX = re.compile(r"-?\d+")
"""A part that counts the entries of a list; negative from its end."""


@cache
def reader(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Reads the value at a path from a record; None if a part of it is absent."""
    if "." not in path:
        return lambda record: record.get(path)
    steps = tuple((part, int(part) if INDEX.fullmatch(part) else None) for part in path.split("."))

    def read(record: Mapping[str, Any]) -> Any:
        if path in record:
            return record[path]
        value: Any = record
        for part, index in steps:
            if isinstance(value, Mapping):
                value = value.get(part)
            elif index is not None and isinstance(value, (list, tuple)):
                value = value[index] if -len(value) <= index < len(value) else None
            else:
                return None
        return value

    return read


def as_paths(paths: str | Sequence[str]) -> tuple[str, ...]:
    """The paths of a word that takes either one path or a list of them."""
    return (paths,) if isinstance(paths, str) else tuple(paths)
