"""Files of notes: in HubSpot's file manager, and named by the note."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.http import Answer, Purpose, Upload
from reverse_etl.errors import RowError

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, check, rejected
from target_hubspot.find import Finder
from target_hubspot.objects import FILES, NOTES

FOLDER = "/canai"
UPLOAD_OPTIONS = {
    "access": "PRIVATE",
    "overwrite": False,
    "duplicateValidationStrategy": "RETURN_EXISTING",
    "duplicateValidationScope": "EXACT_FOLDER",
}
"""The same file is stored once per folder: HubSpot returns the existing one.
Source: HubSpot, Files guide, read 2026-11-23."""
PURPOSE = Purpose(NOTES, "attach")


@dataclass(frozen=True, slots=True)
class Files(FileAdapter):
    """Files of one account."""

    api: HubSpotApi
    finder: Finder

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file to a note. Returns False if the note already has a file of that name.

        Raises: BatchRejectedError, RowError, CrmError.
        """
        if object_name != NOTES:
            raise RowError(
                "no_files",
                f"HubSpot attaches files to notes, not to {object_name}",
                "remove `attach` from the rule",
            )
        file_ids = [] if new else self._files_of(crm_id)
        if any(self._name_of(file_id) == file.name for file_id in file_ids):
            return False

        uploaded = self._upload(file)
        if uploaded in file_ids:
            return False
        self._set_files(crm_id, [*file_ids, uploaded])
        return True

    def _files_of(self, note_id: str) -> list[str]:
        """Ids of a note's files. Raises: RowError if the note does not exist, CrmError."""
        note = next(self.finder.records(PURPOSE, [note_id], [FILES]), None)
        if note is None:
            hint = "sync it again with a full refresh"
            raise RowError("note_gone", "the note no longer exists", hint)
        joined = str((note.get("properties") or {}).get(FILES) or "")
        return [file_id for file_id in joined.split(";") if file_id]

    def _name_of(self, file_id: str) -> str:
        """A file's name; empty if HubSpot does not say. Raises: CrmError."""
        answer = check(self.api.http.call("GET", f"{self.api.paths.files()}/{file_id}", PURPOSE))
        if not answer.ok:
            return ""
        body = body_of(answer)
        return ".".join(part for part in (body.get("name"), body.get("extension")) if part)

    def _upload(self, file: Attachment) -> str:
        """The id of the file, uploaded. Raises: BatchRejectedError, RowError, CrmError."""
        with file.open() as content:
            body = content.read()
        parts = {
            "file": (file.name, body, file.media_type),
            "folderPath": (None, FOLDER),
            "options": (None, json.dumps(UPLOAD_OPTIONS)),
        }
        upload = Upload(files=lambda: parts)
        answer = self.api.http.call("POST", self.api.paths.files(), PURPOSE, upload=upload)
        check_accepted(check(answer))
        return str(answer.body["id"])

    def _set_files(self, note_id: str, file_ids: Sequence[str]) -> None:
        """Raises: BatchRejectedError, CrmError."""
        row = {"id": note_id, "properties": {FILES: ";".join(file_ids)}}
        path = self.api.paths.objects(NOTES, "batch/update")
        check_accepted(self.api.post(path, PURPOSE, {"inputs": [row]}))


def check_accepted(answer: Answer) -> None:
    """Raises: BatchRejectedError if the call, or its only row, was refused; CrmError."""
    if not answer.ok or body_of(answer).get("errors"):
        raise rejected(answer)
