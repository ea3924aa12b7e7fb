"""Erasing contacts and files for good; other records go into the recycle bin.

HubSpot deletes contacts and files alone at once and for good. Other records can be restored for 90
days. Source: HubSpot's specifications of contacts and of files, Using object APIs, read 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reverse_etl.crm.adapter import ErasureAdapter
from reverse_etl.crm.http import Answer, Purpose
from reverse_etl.errors import CrmError, RowError

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import check
from target_hubspot.files import Files
from target_hubspot.objects import FILES

CONTACTS = "contacts"
GONE = 404


@dataclass(frozen=True, slots=True)
class Eraser(ErasureAdapter):
    """Erases records of one account."""

    api: HubSpotApi
    files: Files

    def erase(self, object_name: str, crm_id: str) -> bool:
        """Erase a contact by its id, never by an address: HubSpot would block an unknown address.

        Returns False if HubSpot no longer has it. Raises: CrmError.
        """
        purpose = Purpose(object_name, "erase")
        if object_name != CONTACTS:
            path = self.api.paths.objects(object_name, crm_id)
            return done(self.api.http.call("DELETE", path, purpose))
        path = self.api.paths.objects(object_name, "gdpr-delete")
        return done(self.api.http.call("POST", path, purpose, json={"objectId": crm_id}))

    def erase_files(self, object_name: str, crm_id: str, is_ours: Callable[[str], bool]) -> int:
        """Erase files from the file manager that a note or another activity names.

        Raises: CrmError.
        """
        if FILES not in self.files.finder.fields.infos.get(object_name, {}):
            return 0
        purpose = Purpose(object_name, "erase")
        try:
            ids = self.files.files_of(purpose, crm_id)
        except RowError:  # the note no longer exists
            return 0
        ours = [file_id for file_id in ids if is_ours(self.files.name_of(purpose, file_id))]
        paths = (f"{self.api.paths.files()}/{file_id}/gdpr-delete" for file_id in ours)
        return sum(done(self.api.http.call("DELETE", path, purpose)) for path in paths)


def done(answer: Answer) -> bool:
    """Returns True if something was erased, False if there was nothing. Raises: CrmError."""
    if answer.status == GONE:
        return False
    if not check(answer).ok:
        raise CrmError(
            f"HubSpot did not erase a record ({answer.status}).",
            "Check the token's scopes and the record, then run `erase` again: it continues.",
        )
    return True
