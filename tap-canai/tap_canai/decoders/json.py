"""JSON files: an object with one array a record set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ijson

from tap_canai.decoders.reader import BUFFER_BYTES, GapGuard, Readable
from tap_canai.errors import ExportBroken

DEEPEST = 3000
"""Brackets that may be open at a time. The parser keeps a path for each level, so a deep file would fill the memory."""
AGAIN = "Run again; if it stays, tell CanAI's support."


class DepthGuard:
    """Counts open brackets as the bytes pass; those inside of text count too, where they mostly close again."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._open = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises: ExportBroken for a file that is nested too deep."""
        chunk = self._source.read(size)
        opened, closed = (
            chunk.count(b"[") + chunk.count(b"{"),
            chunk.count(b"]") + chunk.count(b"}"),
        )
        self._open = max(0, self._open + opened - closed)
        if self._open > DEEPEST:
            raise ExportBroken("The JSON file is nested too deep.", AGAIN)
        return chunk


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The records of one set. Raises: ExportBroken where the file is cut off or no JSON."""
    guard = GapGuard(DepthGuard(source))
    try:
        yield from guard.passed(
            ijson.items(guard, f"{record_set}.item", buf_size=BUFFER_BYTES, use_float=True)
        )
    except (ijson.JSONError, UnicodeDecodeError, RecursionError):
        raise ExportBroken("The file is no whole JSON document.", AGAIN) from None
