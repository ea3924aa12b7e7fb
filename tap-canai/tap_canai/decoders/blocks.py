"""Files read in blocks of whole records, each decoded at once into the stream's typed form.

A file is cut where a record seems to end. That it does is proven by the block itself: a parser
that reads it to its end without an error stands between two records, as it would in the file. A
block that does not fit the typed form is read record by record, as a file of its own; a file that
cannot be cut is read so from there on. Either says what is wrong in its own words.
"""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from tap_canai.decoders.reader import BUFFER_BYTES, MAX_RECORD_BYTES, Readable
from tap_canai.typed_form import Records, TypedForm, UnfitError

BLOCK_BYTES = 64 * 1024
"""Blocks whose records fit the processor's caches are read faster than larger ones."""
LARGEST_BLOCK = MAX_RECORD_BYTES // 8
"""A byte of a file is at most six of a RECORD (`\\u0001`), so no record of a block is too long."""
LARGEST_PENDING = 8 * 1024 * 1024
"""A file in which no record ends for so long is no longer cut."""
LONGEST_WAIT_S = 1.0
"""A slow download passes on what it has after this time."""
MOST_TRIES = 8
"""Places at which a block is tried to be cut."""

Row = dict[str, Any]
FormNow = Callable[[], TypedForm | None]
"""The typed form as it is by now: it drops the properties that were reported as unknown."""
Cut = tuple[int, int]
"""Where a block ends, and where the next begins."""


class NotWholeError(Exception):
    """Bytes that are not whole records."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records in their normal form."""

    records: Records

    def __len__(self) -> int:
        return len(self.records)


class Framing(Protocol):
    """The form of a file around its records."""

    opening: bytes
    """What has to come before records, so that they are a file."""
    closing: bytes
    """What has to come after them."""

    def begin(self, head: bytes) -> int | None:
        """Where the first record is; None if the file has another form than usual."""
        ...

    def cuts(self, pending: bytes) -> Iterator[Cut]:
        """Where a block may be cut, from the right."""
        ...

    def decode(self, block: bytes, form: TypedForm) -> Records:
        """The records of a block. Raises: UnfitError, NotWholeError."""
        ...


class Pending(io.RawIOBase):
    """Bytes of a file that were read ahead, and the file behind them."""

    def __init__(self, source: Readable, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._source = source
        self._clock = clock
        self._error: Exception | None = None
        self.bytes = b""
        self.ended = False
        """True if nothing comes behind these bytes, or an error does."""

    def fill(self, size: int) -> None:
        """Read until there are this many bytes, the file ends, or it took long enough.

        What the source raises is raised again by `read`, after the bytes before it.
        """
        pieces, length, began = [self.bytes], len(self.bytes), self._clock()
        while length < size and not self.ended:
            piece = self._next()
            self.ended = not piece
            pieces.append(piece)
            length += len(piece)
            if self._clock() - began > LONGEST_WAIT_S:
                break
        self.bytes = b"".join(pieces)

    def _next(self) -> bytes:
        try:
            return self._source.read(BUFFER_BYTES)
        except Exception as error:  # noqa: BLE001  # raised again after the bytes before it
            self._error = error
            return b""

    def drop(self, size: int) -> None:
        """Leave out bytes at the beginning."""
        self.bytes = self.bytes[size:]

    def put_before(self, opening: bytes) -> None:
        """Put bytes at the beginning."""
        self.bytes = opening + self.bytes

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises: what the source raises."""
        if self.bytes:
            size = len(self.bytes) if size < 0 else size
            taken, self.bytes = self.bytes[:size], self.bytes[size:]
            return taken
        if self._error is not None:
            raise self._error
        return b"" if self.ended else self._source.read(size)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Fill a buffer; 0 at the end."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """A block makes thousands of objects and no circles: nothing for the collector."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class BlockReader:
    """Reads a file in blocks; `rows` reads a file, or a block, record by record."""

    framing: Framing
    rows: Callable[[Readable], Generator[Row, None, None]]
    form: FormNow

    def read(self, source: Readable) -> Generator[Row | Block, None, None]:
        """The file's records, in order. Raises: ExportBrokenError, and what the source raises."""
        pending = Pending(source)
        pending.fill(BLOCK_BYTES)
        start = self.framing.begin(pending.bytes)
        if start is not None:
            pending.drop(start)
            yield from self._blocks(pending)
            pending.put_before(self.framing.opening)
        yield from self.rows(pending)

    def _blocks(self, pending: Pending) -> Generator[Row | Block, None, None]:
        """Whole records while they can be cut from the file."""
        while (form := self.form()) is not None:
            with no_garbage_collection():
                found = self._cut(pending.bytes, form)
            if found is not None:
                records, (end, following) = found
                yield from self._passed(records, pending.bytes[:end])
                pending.drop(following)
            elif pending.ended or len(pending.bytes) > LARGEST_PENDING:
                return
            size = BLOCK_BYTES if found else max(BLOCK_BYTES, 2 * len(pending.bytes))
            pending.fill(size)

    def _passed(self, records: Records | None, block: bytes) -> Generator[Row | Block, None, None]:
        """A block in its typed form, or record by record."""
        if records is not None:
            yield Block(records)
        else:
            file = self.framing.opening + block + self.framing.closing
            yield from self.rows(io.BytesIO(file))

    def _cut(self, pending: bytes, form: TypedForm) -> tuple[Records | None, Cut] | None:
        """The records of the largest block at the beginning, and where it ends.

        The records are None if they do not fit, the result is None if nothing can be cut.
        """
        for end, following in islice(self.framing.cuts(pending), MOST_TRIES):
            if end > LARGEST_BLOCK:
                continue
            try:
                return self.framing.decode(pending[:end], form), (end, following)
            except UnfitError:
                return None, (end, following)
            except NotWholeError:
                continue
        return None
