"""JSON files: an object with one array a record set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ijson

from tap_canai.decoders.reader import BUFFER_BYTES, Readable
from tap_canai.errors import ExportBroken


def records(source: Readable, record_set: str, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The records of one set. Raises: ExportBroken where the file is cut off or no JSON."""
    try:
        yield from ijson.items(source, f"{record_set}.item", buf_size=BUFFER_BYTES, use_float=True)
    except ijson.JSONError:
        raise ExportBroken("The file is no whole JSON document.", "Run again; if it stays, tell CanAI's support.") from None
