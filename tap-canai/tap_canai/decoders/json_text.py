"""Which numbers of a JSON text a float cannot hold exactly, seen in the bytes.

A number of at most 15 digits comes back from a float as it was, unless it is nearly zero.
Text inside strings may be taken for a number; that costs time only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

SHAPE = bytes.maketrans(b"123456789.E", b"0" * 10 + b"e")
LONG = b"0" * 16
"""Digits and points of a number that may have more than 15 digits."""
MOST_INTEGER_DIGITS = 18
"""Integers of this many digits are exact; they fit 64 bits."""
TINY = b"0e-000"
"""An exponent of -100 or less."""
NUMBER = re.compile(rb"[0-9.]+(?:[eE][+-]?[0-9]+)?")
BEFORE = frozenset(b":,[ \t\r\n")
"""What may be before a number."""


@dataclass(frozen=True)
class JsonText:
    """A valid JSON text."""

    text: bytes

    @cached_property
    def _shape(self) -> bytes:
        """The text with a zero for each digit and point."""
        return self.text.translate(SHAPE)

    @cached_property
    def has_tiny(self) -> bool:
        """True if it may hold a number that is nearly zero."""
        return any(self._is_number(self._start_of(at)) for at in self._places(TINY))

    @cached_property
    def is_exact(self) -> bool:
        """False if a number may have more digits than a float."""
        return all(self._survives(at) for at in self._places(LONG) if self._is_number(at))

    def _places(self, sought: bytes) -> Iterator[int]:
        """Where this begins, but not more often than once in a run of digits."""
        at = self._shape.find(sought)
        while at >= 0:
            yield at
            found = NUMBER.match(self.text, at)
            at = self._shape.find(sought, max(found.end() if found else 0, at + len(sought)))

    def _start_of(self, at: int) -> int:
        """Where the digits around a place begin."""
        while at and self._shape[at - 1 : at] == b"0":
            at -= 1
        return at

    def _is_number(self, at: int) -> bool:
        """Returns False if the digits at a place are part of a string."""
        if self.text[at - 1 : at] == b"-":
            at -= 1
        return at > 0 and self.text[at - 1] in BEFORE

    def _survives(self, at: int) -> bool:
        """Returns True if a float holds the number at a place, or an integer of 64 bits."""
        found = NUMBER.match(self.text, at)
        digits = found.group().decode() if found else ""
        if digits.isdecimal():
            return len(digits) <= MOST_INTEGER_DIGITS
        try:
            return Decimal(repr(float(digits))) == Decimal(digits)
        except (ValueError, ArithmeticError):
            return False
