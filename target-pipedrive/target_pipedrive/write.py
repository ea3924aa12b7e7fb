"""Writing one record in one call: a create that must not be repeated blindly, or an update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Purpose
from reverse_etl.errors import RowError
from reverse_etl.records import Write

from target_pipedrive.api import PipedriveApi, Record
from target_pipedrive.errors import created_id, record_id, rejected
from target_pipedrive.fields import Place, to_wire
from target_pipedrive.find import Finder
from target_pipedrive.lists import with_primary
from target_pipedrive.money import Money
from target_pipedrive.objects import ENDPOINTS, LISTS
from target_pipedrive.shapes import MERGED, Body, wire_form, with_marker

ADDRESS, MONETARY = "address", "monetary"
"""Types of fields. The parts of an address that a write leaves out become null.

Source: Pipedrive API v2 migration guide, Custom fields, read 2026-11-29.
"""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes records of one company."""

    api: PipedriveApi
    finder: Finder
    money: Money

    def write(self, object_name: str, write: Write) -> RowResult:
        """The result. Raises: AmbiguousAnswerError, BatchRejectedError, CrmError."""
        body = self._body(object_name, write)
        endpoint = ENDPOINTS[object_name]
        purpose = Purpose(object_name, "write")
        if write.kind == "create":
            return RowResult(created_id(self.api.create(endpoint.path, purpose, body), "record"))

        path = f"{endpoint.path}/{write.crm_id}"
        answer = self.api.update(endpoint.verb, path, purpose, body)
        if not answer.ok:
            raise rejected(answer)
        crm_id = record_id(answer)
        if crm_id is None:
            fault = RowError("no_verdict", "Pipedrive's answer has no record", "sync it again")
            return RowResult(fault=fault, again=True)
        return RowResult(crm_id)

    def _body(self, object_name: str, write: Write) -> Body:
        """A write's fields as Pipedrive takes them. Raises: CrmError."""
        places = self.finder.fields.places[object_name]
        current = self._current(object_name, write)
        body: Body = {}
        custom: Body = {}
        for name, value in write.fields.items():
            place = places[name]
            holder = custom if place.custom else body
            if name in LISTS:
                holder[name] = with_primary(
                    value, current.get(name) or (), write.replaces.get(name)
                )
            elif place.part:
                holder[place.code] = self._whole(places, place, write, current)
            else:
                holder[place.code] = to_wire(place, value)
        if custom:
            body["custom_fields"] = custom
        marker_in = self.finder.fields.spec(object_name).marker_in
        if marker_in:
            body = with_marker(body, write, marker_in)
        return wire_form(object_name, body, current)

    def _whole(
        self, places: Mapping[str, Place], place: Place, write: Write, current: Record
    ) -> Body | None:
        """A value with all its parts, which Pipedrive takes as a whole. Raises: CrmError."""
        whole: Body = {}
        if place.type != ADDRESS:
            holder = (current.get("custom_fields") or {}) if place.custom else current
            whole |= holder.get(place.code) or {}
        for name, value in {**write.record.fields, **write.fields}.items():
            other = places.get(name)
            if other is not None and (other.code, other.custom) == (place.code, place.custom):
                whole[other.part] = to_wire(other, value)
        if whole.get("value") is None:
            return None
        if place.type == MONETARY and not whole.get("currency"):
            whole["currency"] = self.money.default()
        return whole

    def _current(self, object_name: str, write: Write) -> Record:
        """The record as it is now, if a field changes that is sent with the rest of its value.

        Raises: CrmError.
        """
        if write.current is not None:
            return write.current
        places = self.finder.fields.places[object_name]
        merged = LISTS | MERGED.get(object_name, set())
        merged |= {name for name in write.fields if places[name].type == MONETARY}
        if write.kind == "create" or merged.isdisjoint(write.fields):
            return {}
        # One read for all of them: what people added has to be sent again.
        records = self.finder.by_ids(object_name, Purpose(object_name, "read"), [str(write.crm_id)])
        return next(records, None) or {}
