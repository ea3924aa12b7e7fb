"""Halves of surrogate pairs in JSON: escapes such as `\\ud800` that stand for no character.

The parser in C turns them into `?`, into a character made of two strangers, or into an error that
would end every run (ijson 3.6, YAJL 2; seen in November 2026). So each half becomes U+FFFD, which
says that a character was not readable, before the parser sees it. The name of a property must not
hold one: two names could become one.
"""

from __future__ import annotations

import logging
import re

from tap_canai.decoders.reader import Readable
from tap_canai.errors import CONTACT_SUPPORT, ExportBrokenError

logger = logging.getLogger(__name__)

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape, or a pair of them; what is a half is the group."""
CUT = re.compile(
    rb"(?<!\\)(?:\\\\)*"
    rb"(\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?)\Z"
)
"""An escape at the end of a piece, which may go on in the next."""
LONGEST_ESCAPE = 12
"""Bytes of a pair."""
IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
READABLE = b"\\ufffd"
"""As long as what it replaces."""


class Surrogates:
    """Replaces the halves in a JSON text that comes in pieces."""

    def __init__(self) -> None:
        self.halves = 0
        """The number of halves so far."""
        self._rest = b""
        self._in_string = self._after_string = False
        """Where the last piece ended, if a string with a half goes on in this one."""

    def replaced(self, piece: bytes, *, last: bool = False) -> bytes:
        """The text without halves, up to an escape that may go on. Raises: ExportBrokenError."""
        piece = self._rest + piece
        self._rest = b""
        if not last and b"\\" in piece[-LONGEST_ESCAPE:] and (cut := CUT.search(piece)):
            self._rest = cut[1]
            piece = piece[: cut.start(1)]
        self._look_on(piece, 0)
        if SURROGATE.search(piece):
            piece = self._without_halves(piece)
        return piece

    def _without_halves(self, piece: bytes) -> bytes:
        known_to = 0

        def replace(escape: re.Match[bytes]) -> bytes:
            nonlocal known_to
            if escape[1] is None:
                return escape[0]
            self.halves += 1
            if escape.start() >= known_to:  # else it is in the same string as one before
                self._in_string = True
                known_to = self._look_on(piece, escape.end())
            return READABLE

        return ESCAPE.sub(replace, piece)

    def _look_on(self, piece: bytes, at: int) -> int:
        """Read on to what follows a string with a half; returns to where.

        Raises: ExportBrokenError.
        """
        if self._in_string:
            inside = IN_STRING.match(piece, at)
            at = inside.end() if inside else at
            if at == len(piece):
                return at
            self._in_string, self._after_string = False, True
            at += 1
        if self._after_string:
            follows = piece[at:].lstrip()[:1]
            if follows == b":":
                raise ExportBrokenError(
                    "The name of a property in the file holds half of a character.",
                    CONTACT_SUPPORT,
                )
            self._after_string = not follows
        return at


class SurrogateGuard:
    """A source of JSON without halves of surrogate pairs."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._surrogates = Surrogates()

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, and a few more; none at the end. Raises: ExportBrokenError."""
        if not size:
            return b""
        while chunk := self._source.read(size):
            if piece := self._surrogates.replaced(chunk):
                return piece
        return self._surrogates.replaced(b"", last=True)

    def report(self) -> None:
        """Say how many halves there were."""
        report_halves(self._surrogates.halves)


def report_halves(halves: int) -> None:
    """Say how many halves of surrogate pairs a file held."""
    if halves:
        logger.warning(
            "a file holds %d halves of surrogate pairs, which stand for no character: they are "
            "U+FFFD in the records",
            halves,
        )
