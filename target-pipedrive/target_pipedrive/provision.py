"""Creating custom fields and options. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.crm.adapter import OptionAdapter
from reverse_etl.crm.http import SETUP, Answer
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted
from reverse_etl.values import FieldInfo, Kind

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import message_of
from target_pipedrive.field_copies import FieldCopies
from target_pipedrive.fields import Fields
from target_pipedrive.links import LINK_TYPES
from target_pipedrive.objects import ENDPOINTS

TYPES: dict[Kind, str] = {
    "integer": "double",
    "number": "double",
    "date": "date",
    "choice": "enum",
    "choices": "set",
}
"""Pipedrive's field type of each kind; text holds any other: there is no boolean or date-time."""


@dataclass(frozen=True, slots=True)
class Provisioner(OptionAdapter):
    """Creates what is missing in one company."""

    api: PipedriveApi
    fields: Fields
    created: set[tuple[str, str]] = field(default_factory=set)
    """Fields created in this run, by list and name: leads and deals share a list."""

    @property
    def copies(self) -> FieldCopies:
        """Fields that another process created as well."""
        return FieldCopies(self.api)

    def check_creatable(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Raises: CrmError if Pipedrive cannot create these fields."""
        for new in wanted:
            if not ENDPOINTS[object_name].creates_fields:
                raise CrmError(
                    f"{object_name} has no field {new.name}, and Pipedrive has no call that "
                    "creates one.",
                    "Map onto a field that it has.",
                )
            field_body(new)

    def create_fields(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields by name. Raises: AmbiguousAnswerError, CrmError."""
        self.check_creatable(object_name, wanted)
        endpoint = ENDPOINTS[object_name]
        codes: dict[str, str] = {}
        for new in wanted:
            if (endpoint.fields, new.name) in self.created:
                continue
            path = f"/api/v2/{endpoint.fields}"
            answer = self.api.create(path, SETUP, field_body(new))
            good(answer, f"the field {new.name}")
            codes[new.name] = str(answer.body["data"]["field_code"])
            self.created.add((endpoint.fields, new.name))
        if codes:
            self.copies.remove(endpoint.fields, codes)

    def add_options(self, object_name: str, field_name: str, options: Sequence[str]) -> FieldInfo:
        """Add options to a choice; returns the field as it is then.

        Raises: AmbiguousAnswerError, CrmError.
        """
        place = self.fields.places[object_name][field_name]
        missing = [option for option in options if option not in place.options]
        if missing:
            list_name = ENDPOINTS[object_name].fields
            path = f"/api/v2/{list_name}/{place.code}/options"
            labels = [{"label": option} for option in missing]
            good(self.api.create(path, SETUP, labels), f"options of {field_name}")
            # leads and deals share a list
            for described in list(self.fields.infos):
                if ENDPOINTS[described].fields == list_name:
                    self.fields.describe(described)
        return self.fields.infos[object_name][field_name]


def good(answer: Answer, what: str) -> None:
    """Raises: CrmError if Pipedrive did not create it."""
    if not answer.ok:
        raise CrmError(
            f"Pipedrive could not create {what} ({answer.status}): {message_of(answer.body)}",
            "Create it by hand, or use an admin's token.",
        )


def field_body(wanted: FieldWanted) -> dict[str, Any]:
    """A field to be created. Raises: CrmError if Pipedrive has no such type."""
    text = "text" if wanted.long_text else "varchar"
    body: dict[str, Any] = {
        "field_name": wanted.name,
        "field_type": TYPES.get(wanted.kind, text),
    }
    if wanted.refers:
        if wanted.refers not in LINK_TYPES:
            raise CrmError(
                f"Pipedrive has no custom fields that refer to {wanted.refers}.",
                f"They can refer to {' and '.join(LINK_TYPES)}.",
            )
        body["field_type"] = LINK_TYPES[wanted.refers]
    elif wanted.kind in ("choice", "choices"):
        body["options"] = [{"label": option} for option in wanted.options]
    return body
