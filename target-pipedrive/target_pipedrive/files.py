"""Files, which only API v1 has. A note's file belongs to its person, and is known by its name."""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.http import Purpose, Upload
from reverse_etl.errors import RowError

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import check, created_id
from target_pipedrive.notes import Notes
from target_pipedrive.objects import NOTES

PURPOSE = Purpose(NOTES, "attach")


@dataclass(frozen=True, slots=True)
class Files(FileAdapter):
    """Files of one company."""

    api: PipedriveApi
    notes: Notes

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file to a note's person. Returns False if they already have one of that name.

        They may have it even if the note is new.
        Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError.
        """
        if object_name != NOTES:
            raise RowError(
                "no_files",
                f"files of {object_name} are not supported",
                "remove `attach` from the rule",
            )
        person = self._person_of(crm_id)
        files = self.api.pages_v1(f"persons/{person}/files", PURPOSE)
        if any(existing.get("name") == file.name for existing in files):
            return False
        self._upload(person, file)
        return True

    def _person_of(self, note_id: str) -> str:
        """The id of a note's person. Raises: RowError if there is none, CrmError."""
        note = self.notes.note(note_id, PURPOSE)
        if note is None or not note.get("person_id"):
            hint = "sync it again with a full refresh"
            raise RowError("note_gone", "the note no longer exists", hint)
        return str(note["person_id"])

    def _upload(self, person: str, file: Attachment) -> None:
        """Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError."""
        with file.open() as content:
            body = content.read()
        parts = {"file": (file.name, body, file.media_type), "person_id": (None, person)}
        upload = Upload(files=lambda: parts)
        answer = self.api.http.call(
            "POST", "/api/v1/files", PURPOSE, upload=upload, repeatable=False
        )
        created_id(check(answer), "file")
