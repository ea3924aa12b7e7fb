"""What a JSON parser must not be given, seen in the bytes.

Nesting, since the parser remembers every level, and integers of thousands of digits, at which the
parser in C crashes (ijson 3.6 with Python's limit of 4,300 digits; seen in November 2026).
"""

from __future__ import annotations

import re
from itertools import accumulate

from tap_canai.decoders.reader import Readable
from tap_canai.errors import TRY_AGAIN, ExportBrokenError

DEEPEST = 100
"""Levels of a file: lists, objects, elements. No property of the schemas has more than four."""
MOST_DIGITS = 2000
"""Digits in a row outside a string."""
DIGITS = b"0123456789"
LONG_NUMBER = re.compile(rb"[0-9]{%d}" % MOST_DIGITS)
STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
QUOTE = b'"'
SIGNS = bytes([*STEPS, *QUOTE])
OTHERS = bytes(byte for byte in range(256) if byte not in SIGNS)


def too_deep(form: str) -> ExportBrokenError:
    """The error for a file that is nested too deep."""
    return ExportBrokenError(
        f"The {form} file is nested too deep, or holds a number without an end.", TRY_AGAIN
    )


class Depth:
    """Counts the open brackets of a JSON text that comes in pieces, but not those inside strings.

    All steps run in C: a piece is reduced to its quotes and brackets before anything is counted.
    """

    def __init__(self) -> None:
        self._open = 0
        self._in_string = False
        self._escape = b""
        """A backslash at the end of a piece, whose meaning is in the next."""
        self._digits = b""
        """Digits at the end of a piece, which may go on in the next."""

    def passes(self, piece: bytes) -> bool:
        """Returns False if this piece of the text has something that a parser must not be given."""
        piece = self._without_escapes(piece)
        passes = self._numbers_pass(piece)
        brackets = self._brackets(piece)
        depths = [self._open, *accumulate(map(STEPS.__getitem__, brackets), initial=self._open)]
        self._open = max(depths[-1], 0)
        return passes and max(depths) <= DEEPEST

    def _without_escapes(self, piece: bytes) -> bytes:
        """The piece without what a backslash says of the quotes behind it."""
        piece = self._escape + piece
        if b"\\" not in piece:
            self._escape = b""
            return piece
        piece = piece.replace(b"\\\\", b"")
        self._escape = b"\\" if piece.endswith(b"\\") else b""
        return piece.replace(b'\\"', b"")

    def _numbers_pass(self, piece: bytes) -> bool:
        """Returns False if digits without an end stand outside strings."""
        piece = self._digits + piece
        self._digits = piece[len(piece.rstrip(DIGITS)) :][:MOST_DIGITS]
        if not LONG_NUMBER.search(piece):
            return True
        return not any(map(LONG_NUMBER.search, piece.split(QUOTE)[self._in_string :: 2]))

    def _brackets(self, piece: bytes) -> bytes:
        """The brackets that stand outside strings."""
        parts = piece.translate(None, OTHERS).split(QUOTE)
        outside = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        return outside


class DepthGuard:
    """Refuses a JSON file that a parser must not be given."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._depth = Depth()

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes. Raises: ExportBrokenError."""
        chunk = self._source.read(size)
        if not self._depth.passes(chunk):
            raise too_deep("JSON")
        return chunk
