"""JSON files: an object with one array a record set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import ijson

from tap_canai.errors import ExportBroken

BUFFER_BYTES = 256 * 1024


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class CountingReader:
    """Counts the bytes that pass."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end."""
        chunk = self._source.read(size)
        self.bytes += len(chunk)
        return chunk

    def drain(self) -> None:
        """Read what is left."""
        while self.read(BUFFER_BYTES):
            pass


def records(source: Readable, record_set: str) -> Iterator[dict[str, Any]]:
    """The records of one set. Raises: ExportBroken where the file is cut off or no JSON."""
    try:
        yield from ijson.items(source, f"{record_set}.item", buf_size=BUFFER_BYTES, use_float=True)
    except ijson.JSONError:
        raise ExportBroken("The file is no whole JSON document.", "Run again; if it stays, tell CanAI's support.") from None
