"""The stream of bytes under a decoder."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any, Protocol

from tap_canai.errors import CONTACT_SUPPORT, ExportBrokenError

BUFFER_BYTES = 64 * 1024
MAX_RECORD_BYTES = 4 * 1024 * 1024
"""A larger record is refused: Meltano stops a line over half its 10 MiB buffer.

Source: Meltano 4.4.
"""
LONGEST_GAP_BYTES = 16 * 1024 * 1024
"""Bytes between two records. JSON and XML parsers keep in memory what is not yet a record, so a
text without an end would fill it."""

LONGEST_NAME = 100
"""Characters of a property's name in a message."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class ByteOrderMark:
    """Leaves out a byte order mark at the beginning of a file."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._begun = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        chunk = self._source.read(size)
        if self._begun or not chunk:
            return chunk
        self._begun = True
        while len(chunk) < len(codecs.BOM_UTF8) and (more := self._source.read(size)):
            chunk += more
        return chunk.removeprefix(codecs.BOM_UTF8) or self._source.read(size)


class GapGuard:
    """Refuses a file in which no record ends for too long."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._since = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes. Raises: ExportBrokenError."""
        chunk = self._source.read(size)
        self._since += len(chunk)
        if self._since > LONGEST_GAP_BYTES:
            raise ExportBrokenError(
                f"A record of the file has more than {LONGEST_GAP_BYTES} bytes.", CONTACT_SUPPORT
            )
        return chunk

    def passed(self, records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The records, each of which restarts the count."""
        for record in records:
            self._since = 0
            yield record


class CountingReader(io.RawIOBase):
    """Counts the bytes that pass."""

    def __init__(self, source: Readable) -> None:
        super().__init__()
        self._source = source
        self.bytes = 0

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        chunk = self._source.read(size)
        self.bytes += len(chunk)
        return chunk

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def drain(self) -> None:
        """Read what is left."""
        while self.read(BUFFER_BYTES):
            pass
