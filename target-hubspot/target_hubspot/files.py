"""Files of notes and other activities: in HubSpot's file manager, and named by the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.http import Answer, Purpose, Upload
from reverse_etl.errors import RowError
from reverse_etl.objects import Namespace

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, check, rejected
from target_hubspot.find import Finder
from target_hubspot.objects import FILES

UPLOAD_OPTIONS = {
    "access": "PRIVATE",
    "overwrite": False,
    "duplicateValidationStrategy": "RETURN_EXISTING",
    "duplicateValidationScope": "EXACT_FOLDER",
}
"""The same file is stored once per folder: HubSpot returns the existing one.
Source: HubSpot, Files guide, read 2026-11-23."""


@dataclass(frozen=True, slots=True)
class Files(FileAdapter):
    """Files of one account."""

    api: HubSpotApi
    finder: Finder
    namespace: Namespace
    """Names the folder of the files."""

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file to a record. Returns False if it already has a file of that name.

        Raises: BatchRejectedError, RowError, CrmError.
        """
        if FILES not in self.finder.fields.infos.get(object_name, {}):
            raise RowError(
                "no_files",
                f"HubSpot attaches files to notes and other activities, not to {object_name}",
                "remove `attach` from the rule",
            )
        purpose = Purpose(object_name, "attach")
        file_ids = [] if new else self.files_of(purpose, crm_id)
        if any(self.name_of(purpose, file_id) == file.name for file_id in file_ids):
            return False

        uploaded = self._upload(purpose, file)
        if uploaded in file_ids:
            return False
        self._set_files(purpose, crm_id, [*file_ids, uploaded])
        return True

    def files_of(self, purpose: Purpose, crm_id: str) -> list[str]:
        """Ids of a record's files. Raises: RowError if it does not exist, CrmError."""
        record = next(self.finder.records(purpose, [crm_id], [FILES]), None)
        if record is None:
            hint = "sync it again with a full refresh"
            raise RowError("note_gone", "the note no longer exists", hint)
        joined = str((record.get("properties") or {}).get(FILES) or "")
        return [file_id for file_id in joined.split(";") if file_id]

    def name_of(self, purpose: Purpose, file_id: str) -> str:
        """A file's name; empty if HubSpot does not say. Raises: CrmError."""
        answer = check(self.api.http.call("GET", f"{self.api.paths.files()}/{file_id}", purpose))
        if not answer.ok:
            return ""
        body = body_of(answer)
        return ".".join(part for part in (body.get("name"), body.get("extension")) if part)

    def _upload(self, purpose: Purpose, file: Attachment) -> str:
        """The id of the file, uploaded. Raises: BatchRejectedError, RowError, CrmError."""
        with file.open() as content:
            body = content.read()
        parts = {
            "file": (file.name, body, file.media_type),
            "folderPath": (None, f"/{self.namespace.name}"),
            "options": (None, json.dumps(UPLOAD_OPTIONS)),
        }
        upload = Upload(files=lambda: parts)
        answer = self.api.http.call("POST", self.api.paths.files(), purpose, upload=upload)
        check_accepted(check(answer))
        return str(answer.body["id"])

    def _set_files(self, purpose: Purpose, crm_id: str, file_ids: Sequence[str]) -> None:
        """Raises: BatchRejectedError, CrmError."""
        row = {"id": crm_id, "properties": {FILES: ";".join(file_ids)}}
        path = self.api.paths.objects(purpose.object_name, "batch/update")
        check_accepted(self.api.post(path, purpose, {"inputs": [row]}))


def check_accepted(answer: Answer) -> None:
    """Raises: BatchRejectedError if the call, or its only row, was refused; CrmError."""
    if not answer.ok or body_of(answer).get("errors"):
        raise rejected(answer)
