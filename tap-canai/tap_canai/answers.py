"""Answers of the export API, typed: what does not fit is one error that names the part.

Source: the platform's CRM export guide (v2.0.0, June 2025).
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tap_canai.errors import ExportBrokenError

MOST_BYTES = 1024 * 1024
"""Bytes of an answer. One with a thousand chunks has some 400,000."""
LONGEST_S = 120.0
"""Seconds in which an answer has to be complete."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
ExportId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """What every answer has."""

    error: Any = None


class Progress(msgspec.Struct, frozen=True):
    """The `data` of an export while it is made."""

    export_id: ExportId = ""
    status: Literal["processing", "ready", "failed"] | None = None


class Poll(Answer, frozen=True):
    """The answer to a request for an export, and to a poll."""

    data: Progress | None = None


class Part(msgspec.Struct, frozen=True):
    """A file of an export."""

    download_url: str
    record_count: Count
    file_size_bytes: Count


class ExportData(msgspec.Struct, frozen=True):
    """The `data` of a finished export."""

    export_id: ExportId
    record_count: Count
    file_size_bytes: Count
    expires_at: str
    format: str
    download_url: str | None = None
    chunks: list[Part] | None = None

    def parts(self) -> list[Part]:
        """The files, of which there may be only one. Raises: ExportBrokenError."""
        if self.chunks:
            return self.chunks
        if self.download_url is None:
            raise not_an_export("neither download_url nor chunks")
        return [Part(self.download_url, self.record_count, self.file_size_bytes)]


class ExportMetadata(msgspec.Struct, frozen=True):
    """The `metadata` of a finished export."""

    export_created_at: str
    request_id: str | None = None


class FinishedExport(msgspec.Struct, frozen=True):
    """The guide's ExportResponse."""

    data: ExportData
    metadata: ExportMetadata


DECODERS: Mapping[type, msgspec.json.Decoder[Any]] = {
    shape: msgspec.json.Decoder(shape) for shape in (Answer, Poll, FinishedExport)
}
"""Made while this module is imported. Exports are requested in several threads, and msgspec 0.22.0
ends the process (SIGSEGV) if two of them are the first to decode one shape."""


def decode(body: bytes, shape: type[T]) -> T:
    """An answer of this shape, one of `DECODERS`. Raises: ExportBrokenError."""
    try:
        answer: T = DECODERS[shape].decode(body.removeprefix(codecs.BOM_UTF8))
    except msgspec.ValidationError as error:
        raise not_an_export(str(error)) from None  # names the part and the types, not the value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_an_export("not valid JSON") from None
    return answer


def not_an_export(reason: str) -> ExportBrokenError:
    """The error for an answer that does not fit."""
    return ExportBrokenError(
        f"The export API's response is not an ExportResponse ({reason}).",
        "Check `api_url` and `api_version`, and proxies on the way.",
    )
