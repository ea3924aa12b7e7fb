"""The block reader of each file format."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from tap_canai.decoders import DECODERS
from tap_canai.decoders.blocks import BlockReader, FormNow, Framing, Row
from tap_canai.decoders.csv_blocks import CsvFraming
from tap_canai.decoders.json_blocks import JsonFraming
from tap_canai.decoders.reader import Readable
from tap_canai.decoders.xml_blocks import XmlFraming


def block_reader(
    file_format: str, record_set: str, schema: Mapping[str, Any], form: FormNow
) -> BlockReader:
    """Reads files of a format in blocks of this form."""

    def rows(source: Readable) -> Generator[Row, None, None]:
        return DECODERS[file_format](source, record_set, schema)

    return BlockReader(framing(file_format, record_set, schema), rows, form)


def framing(file_format: str, record_set: str, schema: Mapping[str, Any]) -> Framing:
    """The form of a file around its records."""
    match file_format:
        case "csv":
            return CsvFraming()
        case "xml":
            return XmlFraming(record_set, schema)
    return JsonFraming(record_set)
