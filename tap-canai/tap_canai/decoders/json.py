"""JSON files: an object with one array for each record set."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import ijson

from tap_canai.decoders.depth import DepthGuard
from tap_canai.decoders.reader import BUFFER_BYTES, ByteOrderMark, GapGuard, Readable
from tap_canai.decoders.surrogates import SurrogateGuard
from tap_canai.errors import TRY_AGAIN, ExportBrokenError


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Generator[dict[str, Any], None, None]:
    """The records of one set. Raises: ExportBrokenError."""
    surrogates = SurrogateGuard(ByteOrderMark(source))
    guard = GapGuard(DepthGuard(surrogates))
    try:
        yield from guard.passed(ijson.items(guard, f"{record_set}.item", buf_size=BUFFER_BYTES))
    except (ijson.JSONError, UnicodeDecodeError, ArithmeticError):
        raise ExportBrokenError("The file is not a complete JSON document.", TRY_AGAIN) from None
    surrogates.report()
