"""The stream of bytes under a decoder."""

from __future__ import annotations

import codecs
import io
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from tap_canai.errors import CONTACT_SUPPORT, TRY_AGAIN, ExportBrokenError

BUFFER_BYTES = 64 * 1024
MAX_RECORD_BYTES = 4 * 1024 * 1024
"""A larger record is refused: Meltano stops a line over half its 10 MiB buffer.

Source: Meltano 4.4.
"""
LONGEST_GAP_BYTES = 16 * 1024 * 1024
"""Bytes between two records. JSON and XML parsers keep in memory what is not yet a record, so a
text without an end would fill it."""

LONGEST_DOWNLOAD_S = 600.0
SLOWEST_BYTES_PER_S = 10_000
"""A file may take ten minutes, and more if it comes at this pace."""
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
        """The records, each of which restarts the count. Raises: ExportBrokenError."""
        for record in records:
            self._since = 0
            if not isinstance(record, dict):
                raise ExportBrokenError("A record of the file is not an object.", CONTACT_SUPPORT)
            yield record


class CountingReader(io.RawIOBase):
    """Counts the bytes that pass, and ends a file that is longer, or slower, than it may be."""

    def __init__(
        self,
        source: Readable,
        most_bytes: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._source = source
        self._most_bytes = most_bytes
        self._monotonic = monotonic
        self._waited_s = 0.0
        self.bytes = 0

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises: ExportBrokenError."""
        began = self._monotonic()
        chunk = self._source.read(size)
        # only what the source took: between two reads the target may take its time
        self._waited_s += self._monotonic() - began
        self.bytes += len(chunk)
        if self._most_bytes is not None and self.bytes > self._most_bytes:
            raise ExportBrokenError(
                f"A file has more than the {self._most_bytes} bytes that were announced.", TRY_AGAIN
            )
        if self._waited_s > LONGEST_DOWNLOAD_S + self.bytes / SLOWEST_BYTES_PER_S:
            raise ExportBrokenError(
                f"A download has taken {self._waited_s:.0f} s for {self.bytes} bytes.",
                "Check the network, then run again: the state is at the last window.",
            )
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
