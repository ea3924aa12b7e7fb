"""Deleting records and files, and taking them out of the recycle bin.

Source: Salesforce REST API guide, sObject Rows; SOAP API developer guide, emptyRecycleBin(); Object
Reference, ContentDocument, read 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reverse_etl.crm.adapter import ErasureAdapter
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import CrmError

from target_salesforce.api import Request, SalesforceApi
from target_salesforce.errors import DELETED, NO_SUCH_ID, errors_of
from target_salesforce.soap import SoapApi
from target_salesforce.soql import Soql, quoted, select

DOCUMENT = "ContentDocument"
UNKNOWN = ("NOT_FOUND", NO_SUCH_ID)
"""Codes of a DELETE of a record that the org no longer knows."""


@dataclass(frozen=True, slots=True)
class Eraser(ErasureAdapter):
    """Erases records of one org."""

    api: SalesforceApi
    soql: Soql
    soap: SoapApi

    def erase(self, object_name: str, crm_id: str) -> bool:
        """Delete a record, then take it out of the recycle bin.

        Returns False if the org no longer has it. Raises: CrmError.
        """
        existed = self._delete(object_name, crm_id)
        return self.soap.empty_recycle_bin(crm_id) or existed

    def _delete(self, object_name: str, crm_id: str) -> bool:
        """Returns False if the record does not exist, or is in the bin. Raises: CrmError."""
        path = f"/sobjects/{object_name}/{crm_id}"
        purpose = Purpose(object_name, "erase")
        answer = self.api.call(Request("DELETE", path, purpose, missing_ok=True))
        if answer.ok:
            return True
        codes = {str(error.get("errorCode")) for error in errors_of(answer.body)}
        if answer.status == 404 and codes <= {DELETED, *UNKNOWN}:
            return False
        raise CrmError(
            f"Salesforce did not delete a {object_name} ({', '.join(sorted(codes))}).",
            "Remove what keeps it, such as a case of a contact; then run `erase` again: it "
            "continues.",
        )

    def erase_files(self, object_name: str, crm_id: str, is_ours: Callable[[str], bool]) -> int:
        """Delete the documents that were first published on a record. Raises: CrmError."""
        test = f"FirstPublishLocationId = {quoted(crm_id)}"
        query = select(["PathOnClient", "ContentDocumentId"], "ContentVersion", [test])
        rows = [*self.soql.rows([query], Purpose(object_name, "erase"))]
        ours = {str(row["ContentDocumentId"]) for row in rows if is_ours(str(row["PathOnClient"]))}
        return sum(self.erase(DOCUMENT, document) for document in sorted(ours))
