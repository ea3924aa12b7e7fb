"""JSON files: an object with one array for each record set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ijson

from tap_canai.decoders.reader import BUFFER_BYTES, GapGuard, Readable
from tap_canai.errors import TRY_AGAIN, ExportBrokenError

DEEPEST = 3000
"""Brackets that may be open at a time: the parser keeps a path for each level in memory."""


class DepthGuard:
    """Counts open brackets as the bytes pass.

    Brackets inside of text count too; most of them close again.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._open = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises: ExportBrokenError for a file that is nested too deep."""
        chunk = self._source.read(size)
        opened = chunk.count(b"[") + chunk.count(b"{")
        closed = chunk.count(b"]") + chunk.count(b"}")
        self._open = max(0, self._open + opened - closed)
        if self._open > DEEPEST:
            raise ExportBrokenError("The JSON file is nested too deep.", TRY_AGAIN)
        return chunk


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The records of one set. Raises: ExportBrokenError."""
    guard = GapGuard(DepthGuard(source))
    try:
        yield from guard.passed(
            ijson.items(guard, f"{record_set}.item", buf_size=BUFFER_BYTES, use_float=True)
        )
    except (ijson.JSONError, UnicodeDecodeError, RecursionError):
        raise ExportBrokenError("The file is not a complete JSON document.", TRY_AGAIN) from None
