"""Writing one record in one call: a create that must not be repeated blindly, or an update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import RowError
from reverse_etl.records import Write

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import created_id, record_id, rejected
from target_pipedrive.find import Finder
from target_pipedrive.lists import Entry, with_primary
from target_pipedrive.objects import KINDS, LISTS


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records of one company."""

    api: PipedriveApi
    finder: Finder

    def write(self, object_name: str, write: Write) -> RowResult:
        """The result. Raises: AmbiguousAnswerError, BatchRejectedError, CrmError."""
        body = self._body(object_name, write)
        path = f"/api/v2/{KINDS[object_name].path}"
        purpose = Purpose(object_name, "write")
        if write.kind == "create":
            return RowResult(created_id(self.api.create(path, purpose, body), "record"))

        answer = self.api.update("PATCH", f"{path}/{write.crm_id}", purpose, body)
        if not answer.ok:
            raise rejected(answer)
        crm_id = record_id(answer)
        if crm_id is None:
            fault = RowError("no_verdict", "Pipedrive's answer has no record", "sync it again")
            return RowResult(fault=fault, again=True)
        return RowResult(crm_id)

    def _body(self, object_name: str, write: Write) -> dict[str, Any]:
        """A write's fields as Pipedrive takes them. Raises: CrmError."""
        fields = self.finder.fields
        current = self._current(object_name, write)
        body: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for name, value in write.fields.items():
            info = fields.infos[object_name][name]
            if name in LISTS:
                body[name] = with_primary(value, current.get(name) or ())
            elif info.wire_name:
                custom[info.wire_name] = fields.to_wire(object_name, name, value)
            else:
                body[name] = fields.to_wire(object_name, name, value)
        return body | ({"custom_fields": custom} if custom else {})

    def _current(self, object_name: str, write: Write) -> Mapping[str, Sequence[Entry]]:
        """The record as it is now, if one of its list fields changes. Raises: CrmError."""
        if write.current is not None:
            return write.current
        if write.kind == "create" or LISTS.isdisjoint(write.fields):
            return {}
        # One read for all list fields: what people added to them has to be sent again.
        records = self.finder.by_ids(Purpose(object_name, "read"), [str(write.crm_id)])
        return next(records, None) or {}
