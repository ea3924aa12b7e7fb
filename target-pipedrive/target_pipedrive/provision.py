"""Creating custom fields. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted
from reverse_etl.values import Kind

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import message_of
from target_pipedrive.objects import KINDS

TYPES: dict[Kind, str] = {
    "integer": "double",
    "number": "double",
    "date": "date",
    "choice": "enum",
    "choices": "set",
}
"""Pipedrive's field type of each kind; text holds any other: there is no boolean or date-time."""


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Creates what is missing in one company."""

    api: PipedriveApi

    def create_fields(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create custom fields by name. Raises: AmbiguousAnswerError, CrmError."""
        path = f"/api/v2/{KINDS[object_name].fields}"
        for field in wanted:
            answer = self.api.create(path, SETUP, field_body(field))
            if not answer.ok:
                raise CrmError(
                    f"Pipedrive could not create the field {field.name} ({answer.status}): "
                    f"{message_of(answer.body)}",
                    "Create it by hand, or use an admin's token.",
                )


def field_body(wanted: FieldWanted) -> dict[str, Any]:
    """A field to be created."""
    text = "text" if wanted.long_text else "varchar"
    body: dict[str, Any] = {
        "field_name": wanted.name,
        "field_type": TYPES.get(wanted.kind, text),
    }
    if wanted.kind in ("choice", "choices"):
        body["options"] = [{"label": option} for option in wanted.options]
    return body
