"""RECORD messages of records in their normal form, a block of them encoded and written at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

import msgspec
from singer_sdk.io_base import SingerWriter

ENCODER = msgspec.json.Encoder(decimal_format="number")


class RecordLine(msgspec.Struct, gc=False, tag_field="type", tag="RECORD"):
    """A RECORD message, with its parts in the SDK's order."""

    stream: str
    record: Any
    time_extracted: str | msgspec.UnsetType = msgspec.UNSET


def record_lines(stream: str, records: Iterable[Any], observed: datetime | None) -> bytes:
    """A RECORD message for each record, one a line."""
    moment = msgspec.UNSET if observed is None else observed.astimezone(UTC).isoformat()
    return ENCODER.encode_lines([*map(RecordLine, repeat(stream), records, repeat(moment))])


class LineWriter(SingerWriter):
    """The SDK's writer, which also takes lines that are encoded already."""

    def write_lines(self, lines: bytes) -> None:
        """Write lines to stdout."""
        out = sys.stdout
        if hasattr(out, "buffer"):
            out.buffer.write(lines)
        else:  # a text that stands for stdout
            out.write(lines.decode())
        out.flush()
