"""An export → its records, complete or not at all."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import requests
import urllib3
from singer_kit.http import BROKEN_OFF

from tap_canai.decoders import DECODERS
from tap_canai.decoders.blocks import Block, FormNow, Row
from tap_canai.decoders.framings import block_reader
from tap_canai.decoders.reader import CountingReader, Readable
from tap_canai.errors import TRY_AGAIN, DownloadCutError, ExportBrokenError
from tap_canai.exports import Export, ExportClient, ExportFile


@dataclass(frozen=True, slots=True)
class FileContent:
    """What the files of an export contain."""

    record_set: str
    schema: Mapping[str, Any]
    file_format: str

    def rows(
        self, source: Readable, form: FormNow | None = None
    ) -> Generator[Row | Block, None, None]:
        """A file's rows as they are or, where there is a typed form, in blocks.

        Raises: ExportBrokenError.
        """
        if form is not None:
            return block_reader(self.file_format, self.record_set, self.schema, form).read(source)
        return DECODERS[self.file_format](source, self.record_set, self.schema)


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a streamed response, as it comes: a reader must not wait for a full block."""

    response: requests.Response

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        raw = cast("urllib3.HTTPResponse", self.response.raw)
        return raw.read1(size, decode_content=True) if size else b""


@dataclass(frozen=True, slots=True)
class ExportReader:
    """Reads the files of a stream's exports."""

    stream: str
    client: ExportClient
    content: FileContent

    def rows(self, export: Export, form: FormNow | None = None) -> Iterator[Row | Block]:
        """Rows of every file; each file and their sum must be as announced.

        Raises: DownloadCutError, ExportGoneError, FatalError.
        """
        records = size = 0
        for file in export.files:
            received = yield from self._file_rows(export, file, form)
            if received != (file.records, file.bytes):
                raise self._incomplete(export, (file.records, file.bytes), received)
            records, size = records + received[0], size + received[1]
        if (records, size) != (export.records, export.bytes):
            raise self._incomplete(export, (export.records, export.bytes), (records, size))

    def _file_rows(
        self, export: Export, file: ExportFile, form: FormNow | None
    ) -> Generator[Row | Block, None, tuple[int, int]]:
        """Rows of a file; returns their number and the file's length in bytes.

        Raises: DownloadCutError, ExportGoneError, FatalError.
        """
        count = 0
        with self.client.download(export, file) as response:
            reader = CountingReader(Body(response), file.bytes, self.client.api.clock.monotonic)
            try:
                # closed here: the collector of garbage may close the source first
                with closing(self.content.rows(reader, form)) as rows:
                    for row in rows:
                        count += yield from self._announced(row, file.records - count, file.records)
                reader.drain()
            except BROKEN_OFF:
                raise DownloadCutError from None
        return count, reader.bytes

    def _announced(
        self, row: Row | Block, room: int, announced: int
    ) -> Generator[Row | Block, None, int]:
        """A row, or those of a block for which there is room; returns their number.

        Raises: ExportBrokenError if there is no room for some.
        """
        count = len(row) if isinstance(row, Block) else 1
        if count <= room:
            yield row
            return count
        if room and isinstance(row, Block):
            yield Block(row.records[:room])
        raise ExportBrokenError(
            f"A file of {self.stream} has more than the {announced} records that were announced.",
            TRY_AGAIN,
        )

    def _incomplete(
        self, export: Export, announced: tuple[int, int], received: tuple[int, int]
    ) -> ExportBrokenError:
        return ExportBrokenError(
            f"The export {export.export_id} of {self.stream} is incomplete: {announced[0]} records "
            f"in {announced[1]} bytes were announced, {received[0]} in {received[1]} received.",
            TRY_AGAIN,
        )
