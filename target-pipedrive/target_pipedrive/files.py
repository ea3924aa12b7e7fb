"""Files, which only API v1 has. A note's file goes to what the note belongs to, by its name."""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.http import Purpose, Upload
from reverse_etl.errors import RowError

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import check, created_id
from target_pipedrive.objects import ENDPOINTS, NOTES

OWNERS = {"person_id": "persons", "deal_id": "deals", "org_id": "organizations"}
"""Objects whose files can be listed, by the field of a note that names one.

Source: Pipedrive openapi-v1 (2026-08), `/files` of each.
"""
PURPOSE = Purpose(NOTES, "attach")


@dataclass(frozen=True, slots=True)
class Files(FileAdapter):
    """Files of one company."""

    api: PipedriveApi

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file to a note's owner. Returns False if that has one of the name already.

        It may have it even if the note is new.
        Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError.
        """
        if object_name != NOTES:
            raise RowError(
                "no_files",
                f"files of {object_name} are not supported",
                "remove `attach` from the rule",
            )
        field, owner = self.owner_of(crm_id)
        files = self.api.pages(f"/api/v1/{OWNERS[field]}/{owner}/files", PURPOSE)
        if any(existing.get("name") == file.name for existing in files):
            return False
        self._upload(field, owner, file)
        return True

    def owner_of(self, note_id: str) -> tuple[str, str]:
        """The field that names what a note belongs to, and its id. Raises: RowError, CrmError."""
        note = self.api.row(f"{ENDPOINTS[NOTES].path}/{note_id}", PURPOSE)
        if note is None:
            hint = "sync it again with a full refresh"
            raise RowError("note_gone", "the note no longer exists", hint)
        for field in OWNERS:
            if note.get(field):
                return field, str(note[field])
        hint = f"link the note to one of {', '.join(OWNERS.values())}"
        raise RowError("no_files", "what the note belongs to lists no files", hint)

    def _upload(self, field: str, owner: str, file: Attachment) -> None:
        """Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError."""
        with file.open() as content:
            body = content.read()
        parts = {"file": (file.name, body, file.media_type), field: (None, owner)}
        upload = Upload(files=lambda: parts)
        answer = self.api.http.call(
            "POST", "/api/v1/files", PURPOSE, upload=upload, repeatable=False
        )
        created_id(check(answer), "file")
