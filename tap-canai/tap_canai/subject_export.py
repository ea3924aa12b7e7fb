"""`tap-canai export --user-id ID --output FOLDER`: everything on one person.

Written for a data subject's request: the API's own files, as JSON and as CSV, each checked for
length and count, and a manifest that says what they are.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from singer_kit.private_files import make_private_folder, write_private
from singer_kit.times import utc_text

from tap_canai.decoders import DECODERS
from tap_canai.errors import TRY_AGAIN, ExportBrokenError, ExportGoneError, FatalError
from tap_canai.export_stream import ExportStream
from tap_canai.exports import Export, ExportClient
from tap_canai.schema_files import load_schema
from tap_canai.streams import Deliverables, Feedback, Payments, Sessions, Users

STREAMS: tuple[type[ExportStream], ...] = (Users, Payments, Deliverables, Feedback, Sessions)
"""Streams whose records belong to a person."""
FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the platform existed: the person's records of all time."""
FORMATS = ("json", "csv")


class NoDataError(FatalError):
    """The API has nothing on the person."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data is exported, until when, and under which law."""

    user_id: str
    until: datetime
    compliance_mode: str


@dataclass(frozen=True, slots=True)
class SubjectFile:
    """A file on the person."""

    name: str
    stream: str
    export: Export
    body: bytes
    records: int

    def listed(self) -> dict[str, Any]:
        """The manifest's entry."""
        return {
            "file": self.name,
            "stream": self.stream,
            "records": self.records,
            "bytes": len(self.body),
            "sha256": hashlib.sha256(self.body).hexdigest(),
            "export_id": self.export.export_id,
            "export_created_at": utc_text(self.export.created_at),
        }


def export_subject(
    client: ExportClient, user_id: str, folder: Path, compliance_mode: str
) -> dict[str, Any]:
    """Write everything on one person into a folder; returns the manifest. Raises: FatalError."""
    subject = Subject(user_id, client.now(), compliance_mode)
    files = [
        file
        for stream in STREAMS
        for file_format in FORMATS
        for file in subject_files(client, stream, file_format, subject)
    ]
    if not any(file.records for file in files):
        raise NoDataError(
            "The export API has no data for that user id.", "Check the id: nothing was written."
        )
    manifest = {
        "user_id": user_id,
        "compliance_mode": compliance_mode,
        "until": utc_text(subject.until),
        "files": [file.listed() for file in files],
    }
    make_private_folder(folder)
    for file in files:
        save(folder / file.name, file.body)
    save(folder / "manifest.json", json.dumps(manifest, indent=2).encode() + b"\n")
    return manifest


def subject_files(
    client: ExportClient, stream: type[ExportStream], file_format: str, subject: Subject
) -> list[SubjectFile]:
    """The files of one record set in one format. Raises: FatalError."""
    name = str(cast(Any, stream).name)
    wanted = request(stream, file_format, subject)
    export, bodies = complete_export(client, stream, wanted)
    return [
        SubjectFile(
            f"{name}.{file_format}" if len(bodies) == 1 else f"{name}-{number}.{file_format}",
            name,
            export,
            body,
            records,
        )
        for number, (body, records) in enumerate(bodies, 1)
    ]


def request(stream: type[ExportStream], file_format: str, subject: Subject) -> dict[str, Any]:
    """The `ExportRequest` for one record set of the person."""
    is_part = stream.export_type == "full_platform"
    return {
        "export_type": stream.export_type,
        "date_range": {"start": utc_text(FIRST_MOMENT), "end": utc_text(subject.until)},
        "user_filters": {"user_ids": [subject.user_id]},
        "data_fields": [f"{stream.record_set}.*" if is_part else "all"],
        "format": file_format,
        "include_metadata": True,
        "anonymize_data": False,
        "compliance_mode": subject.compliance_mode,
    }


def complete_export(
    client: ExportClient,
    stream: type[ExportStream],
    wanted: dict[str, Any],
    *,
    may_repeat: bool = True,
) -> tuple[Export, list[tuple[bytes, int]]]:
    """An export and its files with their number of records. Raises: FatalError.

    If its files are gone, the export is requested again.
    """
    export = client.create(wanted)
    try:
        return export, list(checked_files(client, stream, export, wanted["format"]))
    except ExportGoneError:
        if not may_repeat:
            raise ExportBrokenError(
                "The files of an export were unavailable twice.", TRY_AGAIN
            ) from None
    return complete_export(client, stream, wanted, may_repeat=False)


def checked_files(
    client: ExportClient, stream: type[ExportStream], export: Export, file_format: str
) -> Iterator[tuple[bytes, int]]:
    """Each file, which must be as announced. Raises: ExportGoneError, FatalError."""
    schema = load_schema(stream.record_set)
    for file in export.files:
        with client.download(export, file) as response:
            body = response.content
        records = sum(1 for _ in DECODERS[file_format](io.BytesIO(body), stream.record_set, schema))
        if records != file.records or len(body) != file.bytes:
            raise ExportBrokenError(f"The export {export.export_id} is incomplete.", TRY_AGAIN)
        yield body, records


def save(path: Path, content: bytes) -> None:
    """A file that only its owner can read; an existing one is left as it is. Raises: FatalError."""
    try:
        write_private(path, content)
    except FileExistsError:
        raise FatalError(f"{path} already exists.", "Choose an empty folder.") from None
