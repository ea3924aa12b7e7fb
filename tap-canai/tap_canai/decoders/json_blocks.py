"""Blocks of a JSON file: its records are cut at a comma between two objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from tap_canai.decoders.blocks import Cut, NotWholeError
from tap_canai.typed_form import Records, TypedForm, UnfitError

SPACE = b" \t\r\n"
WIDEST_GAP = 64
"""Bytes between two records: a comma, and what indents them."""
MOST_LOOKED_AT = 10_000
"""Braces that are looked at to find a place to cut."""
MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class JsonFraming:
    """A JSON file: its records are an array, which is the first property."""

    closing = b"]}"

    def __init__(self, record_set: str) -> None:
        name = json.dumps(record_set).encode()
        self.opening = b"{%b:[" % name
        self._head = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*%b[ \t\r\n]*:[ \t\r\n]*\[" % name)

    def begin(self, head: bytes) -> int | None:
        """Where the first record is."""
        found = self._head.match(head)
        return found and found.end()

    def cuts(self, pending: bytes) -> Iterator[Cut]:
        """Each comma between two objects, from the right."""
        at = len(pending)
        for _ in range(MOST_LOOKED_AT):
            at = pending.rfind(b"{", 0, at)
            if at <= 0:
                return
            first = max(0, at - WIDEST_GAP)
            before = pending[first:at].rstrip(SPACE)
            record = before[:-1].rstrip(SPACE)
            if before.endswith(b",") and record.endswith(b"}"):
                yield first + len(record), at

    def decode(self, block: bytes, form: TypedForm) -> Records:
        """The records of a block. Raises: UnfitError, NotWholeError."""
        array = b"[%b]" % block
        try:
            return form.decoded(array)
        except MALFORMED:
            self._prove(array)
            raise UnfitError from None

    @staticmethod
    def _prove(array: bytes) -> None:
        """Raises: NotWholeError for what is not an array, whatever its texts and numbers are."""
        try:
            json.loads(array.decode("utf-8", "replace"), strict=False, parse_int=len)
        except (ValueError, RecursionError):
            raise NotWholeError from None
