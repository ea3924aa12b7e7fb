"""The form of a value: canonical, with what it adds to the fingerprint of its record.

Made once a field, so that mapping a record decides nothing that its CRM field has decided. Whatever
is not plain text, or a value that came before, takes the way of `canonical`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache

from reverse_etl.hashes import named_part
from reverse_etl.values import FieldInfo, Value, canonical

Form = Callable[[object], tuple[Value, str]]
"""Gives a value in its canonical form, and its part of a fingerprint.

Raises: NotRepresentableError.
"""
REMEMBERED = 2048
"""Values of a field that are remembered with their forms: those of most fields repeat."""


def form_of(info: FieldInfo) -> Form:
    """How values take the form of a field."""

    def form(value: object) -> tuple[Value, str]:
        held = canonical(info, value)
        return held, named_part(info.name, held)

    return text_form(info, form) if info.kind == "text" else repeating_form(form)


def repeating_form(form: Form) -> Form:
    """The same form, remembered for values that repeat."""
    # 1, True and 1.0 are equal, and not the same value
    remembered = lru_cache(REMEMBERED, typed=True)(form)

    def quick(value: object) -> tuple[Value, str]:
        try:
            return remembered(value)
        except TypeError:  # a list, which no dictionary takes
            return form(value)

    return quick


def text_form(info: FieldInfo, form: Form) -> Form:
    """The form of text, which is seldom the same twice."""
    name, trims = info.name, info.trims
    longest = sys.maxsize if info.max_length is None else info.max_length
    nothing = form(None)

    def quick(value: object) -> tuple[Value, str]:
        if value is None:
            return nothing
        if isinstance(value, str) and value.isascii():
            text = value.strip() if trims else value
            if 0 < len(text) <= longest:
                return text, f"{name}\x00{len(text) + 1}\x00s{text}"
        return form(value)

    return quick
