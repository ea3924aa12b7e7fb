"""A hash of what a rule, or a CRM object's fields, say: of the content, not of where it is.

What is left at its default is left out, so that a later release, whose rules know more words, gives
a rule that does not use them the same hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

HASH_BYTES = 8
NO_CONTENT = ("line", "lines", "file", "examples")
"""Attributes that say where something is written, or that only tests read."""


def content_hash(value: object) -> str:
    """A hash that differs where the content does; hexadecimal."""
    return hashlib.blake2b(repr(content(value)).encode(), digest_size=HASH_BYTES).hexdigest()


def content(value: Any) -> object:
    """Nested values as tuples, without what is no content."""
    if is_dataclass(value):
        return content(
            {
                each.name: getattr(value, each.name)
                for each in fields(value)
                if each.compare and each.name not in NO_CONTENT and not is_default(value, each)
            }
        )
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), repr(content(part))) for name, part in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(content(part) for part in value)
    return repr(value)


def is_default(value: Any, declared: Field[Any]) -> bool:
    """Returns True if an attribute has the value that it has where nothing is said."""
    if declared.default_factory is not MISSING:
        return bool(getattr(value, declared.name) == declared.default_factory())
    return bool(getattr(value, declared.name) == declared.default)
