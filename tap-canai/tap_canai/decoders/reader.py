"""The stream of bytes under a decoder."""

from __future__ import annotations

import io
from typing import Protocol

BUFFER_BYTES = 64 * 1024
MAX_RECORD_BYTES = 4 * 1024 * 1024
"""A record above this is refused: Meltano stops a line over half its 10 MiB buffer. Source: Meltano 4.4."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


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
