"""`tap-canai export --user-id ID --output FOLDER`: everything the API gives on one person, for a data subject's request.

The API's own files, as JSON and as CSV, each checked for length and count, and a manifest that says what they are.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tap_canai.decoders import DECODERS
from tap_canai.errors import ExportBroken, ExportGone, TapError
from tap_canai.exports import Export, ExportClient
from tap_canai.streams import (
    Deliverables,
    ExportStream,
    Feedback,
    Payments,
    Sessions,
    Users,
    load_schema,
)
from tap_canai.times import utc_text

STREAMS: dict[str, type[ExportStream]] = {
    "users": Users,
    "payments": Payments,
    "deliverables": Deliverables,
    "feedback": Feedback,
    "sessions": Sessions,
}
"""Streams whose records belong to a person."""
FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the platform: the person's records of all time."""
FORMATS = ("json", "csv")


class NobodyThereError(TapError):
    """The API holds nothing on the person."""


def request(
    stream: type[ExportStream], user_id: str, file_format: str, end: datetime, compliance_mode: str
) -> dict[str, Any]:
    """The `ExportRequest` for one record set of the person."""
    prefix = f"{stream.record_set}." if stream.export_type == "full_platform" else ""
    return {
        "export_type": stream.export_type,
        "date_range": {"start": utc_text(FIRST_MOMENT), "end": utc_text(end)},
        "user_filters": {"user_ids": [user_id]},
        "data_fields": [f"{prefix}*" if prefix else "all"],
        "format": file_format,
        "include_metadata": True,
        "anonymize_data": False,
        "compliance_mode": compliance_mode,
    }


def files(
    client: ExportClient, stream: type[ExportStream], wanted: dict[str, Any]
) -> tuple[Export, list[tuple[bytes, int]]]:
    """An export's files with their number of records; asked for once more where they are gone. Raises: TapError."""
    for attempt in (1, 2):
        export = client.create(wanted)
        try:
            return export, list(checked(client, stream, export, wanted["format"]))
        except ExportGone:
            if attempt == 2:
                raise ExportBroken(
                    "The files of an export were gone twice.", "Run again."
                ) from None
    raise AssertionError("unreachable")


def checked(
    client: ExportClient, stream: type[ExportStream], export: Export, file_format: str
) -> Iterator[tuple[bytes, int]]:
    """Each file, which must be as announced. Raises: ExportGone, TapError."""
    for file in export.files:
        with client.download(export, file) as response:
            body = response.content
        count = len(
            list(
                DECODERS[file_format](
                    io.BytesIO(body), stream.record_set, load_schema(stream.record_set)
                )
            )
        )
        if count != file.records or len(body) != file.bytes:
            raise ExportBroken(
                f"The export {export.export_id} is not whole.",
                "Run again; if it stays, tell CanAI's support.",
            )
        yield body, count


def save(path: Path, content: bytes) -> None:
    """A file for its owner alone; one that is there already is left alone. Raises: TapError."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise TapError(f"{path} is there already.", "Name an empty folder.") from None


def export_subject(
    client: ExportClient, user_id: str, folder: Path, compliance_mode: str
) -> dict[str, Any]:
    """Write everything on one person into a folder; returns the manifest. Raises: TapError."""
    end = client.now()
    held: list[tuple[str, str, Export, list[tuple[bytes, int]]]] = []
    for name, stream in STREAMS.items():
        for file_format in FORMATS:
            export, found = files(
                client, stream, request(stream, user_id, file_format, end, compliance_mode)
            )
            held.append((name, file_format, export, found))
    if not any(count for _, _, _, found in held for _, count in found):
        raise NobodyThereError(
            "The export API holds nothing on that user id.", "Check the id: nothing was written."
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    listed = []
    for name, file_format, export, found in held:
        for number, (body, count) in enumerate(found, 1):
            file_name = (
                f"{name}.{file_format}" if len(found) == 1 else f"{name}-{number}.{file_format}"
            )
            save(folder / file_name, body)
            listed.append(
                {
                    "file": file_name,
                    "stream": name,
                    "records": count,
                    "bytes": len(body),
                    "sha256": hashlib.sha256(body).hexdigest(),
                    "export_id": export.export_id,
                    "export_created_at": utc_text(export.created_at),
                }
            )
    manifest = {
        "user_id": user_id,
        "compliance_mode": compliance_mode,
        "until": utc_text(end),
        "files": listed,
    }
    save(folder / "manifest.json", json.dumps(manifest, indent=2).encode() + b"\n")
    return manifest
