"""Blocks of a CSV file: its records are cut at the end of a line that is outside of quotes."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from tap_canai.decoders.blocks import Cut, NotWholeError
from tap_canai.decoders.reader import MAX_RECORD_BYTES
from tap_canai.typed_form import Records, TypedForm, UnfitError

MOST_LOOKED_AT = 1000
"""Ends of lines that are looked at to find a place to cut."""


class CsvFraming:
    """A CSV file: a record is a row, after a header."""

    closing = b""

    def __init__(self) -> None:
        csv.field_size_limit(MAX_RECORD_BYTES)
        self.opening = b""
        self._names: list[str] = []

    def begin(self, head: bytes) -> int | None:
        """Where the first record is: after a header without quotes."""
        line, end, _ = head.removeprefix(codecs.BOM_UTF8).partition(b"\n")
        if not end or b'"' in line or b"\r" in line[:-1] or not line.isascii():
            return None
        self.opening = line + end
        self._names = line.removesuffix(b"\r").decode().split(",")
        return head.index(end) + 1

    def cuts(self, pending: bytes) -> Iterator[Cut]:
        """Each end of a line at which the quotes before it are closed, from the right."""
        end = len(pending)
        quotes = pending.count(b'"')
        for _ in range(MOST_LOOKED_AT):
            line = pending.rfind(b"\n", 0, end) + 1
            if not line:
                return
            quotes -= pending.count(b'"', line, end)
            if quotes % 2 == 0:
                yield line, line
            end = line - 1

    def decode(self, block: bytes, form: TypedForm) -> Records:
        """The records of a block. Raises: UnfitError, NotWholeError."""
        text = block.decode("utf-8", "replace")
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error:
            raise NotWholeError from None
        names = self._names
        if len(set(names)) < len(names) or not form.names.issuperset(names):
            raise UnfitError
        if set(map(len, rows)) != {len(names)} or "\0" in text or not is_utf8(block, text):
            raise UnfitError
        return form.read(dict(zip(names, zip(*rows, strict=True), strict=True)), len(rows))


def is_utf8(block: bytes, text: str) -> bool:
    """Returns False if a character of the text stands for bytes that are not valid."""
    return "\ufffd" not in text or text.encode() == block
