"""Files of records, each a ContentVersion."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.http import Purpose

from target_salesforce.errors import rejected
from target_salesforce.soql import Soql, quoted, select


@dataclass(frozen=True, slots=True)
class Files(FileAdapter):
    """Files of one org."""

    soql: Soql

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file. Returns False if the record already has a file of that name.

        Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError.
        """
        purpose = Purpose(object_name, "attach")
        if not new and self._has(crm_id, file.name, purpose):
            return False

        with file.open() as content:
            data = base64.b64encode(content.read()).decode()
        body = {
            "Title": file.name.rpartition(".")[0] or file.name,
            "PathOnClient": file.name,
            "VersionData": data,
            "FirstPublishLocationId": crm_id,
        }
        answer = self.soql.api.post("/sobjects/ContentVersion", purpose, body, repeatable=False)
        if not answer.ok:
            raise rejected(answer)
        return True

    def _has(self, crm_id: str, name: str, purpose: Purpose) -> bool:
        test = f"FirstPublishLocationId = {quoted(crm_id)} AND PathOnClient = {quoted(name)}"
        query = select([], "ContentVersion", [test])
        return next(self.soql.rows([query], purpose), None) is not None
