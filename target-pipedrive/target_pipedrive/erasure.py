"""Deleting records and files. Pipedrive has no call that erases at once.

What is deleted can be restored for 30 days; then Pipedrive erases it by itself.
Source: Pipedrive openapi-v1 and openapi-v2 (2026-08), DELETE of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reverse_etl.crm.adapter import ErasureAdapter
from reverse_etl.crm.http import Answer, Purpose
from reverse_etl.errors import CrmError, RowError

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import GONE, check
from target_pipedrive.files import OWNERS, Files
from target_pipedrive.objects import ENDPOINTS, NOTES


@dataclass(frozen=True, slots=True)
class Eraser(ErasureAdapter):
    """Deletes records of one company."""

    api: PipedriveApi
    files: Files

    def erase(self, object_name: str, crm_id: str) -> bool:
        """Delete a record. Returns False if Pipedrive no longer has it. Raises: CrmError."""
        path = f"{ENDPOINTS[object_name].path}/{crm_id}"
        return done(self.api.http.call("DELETE", path, Purpose(object_name, "erase")))

    def erase_files(self, object_name: str, crm_id: str, is_ours: Callable[[str], bool]) -> int:
        """Delete files of what a note belongs to, where they were put. Raises: CrmError."""
        if object_name != NOTES:
            return 0
        purpose = Purpose(object_name, "erase")
        try:
            field, owner = self.files.owner_of(crm_id)
        except RowError:  # the note no longer exists
            return 0
        listing = f"/api/v1/{OWNERS[field]}/{owner}/files"
        files = [*self.api.pages(listing, purpose)]
        paths = [f"/api/v1/files/{file['id']}" for file in files if is_ours(str(file.get("name")))]
        return sum(done(self.api.http.call("DELETE", path, purpose)) for path in paths)


def done(answer: Answer) -> bool:
    """Returns True if something was deleted, False if there was nothing. Raises: CrmError."""
    if answer.status in GONE and isinstance(answer.body, dict):
        return False
    if not check(answer).ok:
        raise CrmError(
            f"Pipedrive did not delete a record ({answer.status}).",
            "Check the token's permissions and the record, then run `erase` again: it continues.",
        )
    return True
