"""File formats of exports, streamed: bytes in, records out, in flat memory whatever the size.

Every decoder is a function `records(source, record_set, schema)`; what it yields is not yet in its
normal form.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from tap_canai.decoders import csv, json, xml
from tap_canai.decoders.reader import Readable

Decoder = Callable[[Readable, str, Mapping[str, Any]], Generator[dict[str, Any], None, None]]
DECODERS: dict[str, Decoder] = {"json": json.records, "csv": csv.records, "xml": xml.records}
