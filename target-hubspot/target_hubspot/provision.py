"""Creating properties, in a group of their own, and custom objects. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.objects import FieldWanted
from reverse_etl.values import Kind

from target_hubspot.api import SCHEMAS, HubSpotApi
from target_hubspot.errors import body_of
from target_hubspot.objects import BATCH_LIMIT, CUSTOM, GROUP

TYPES: dict[Kind, tuple[str, str]] = {
    "text": ("string", "text"),
    "integer": ("number", "number"),
    "number": ("number", "number"),
    "boolean": ("bool", "booleancheckbox"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
    "choice": ("enumeration", "select"),
    "choices": ("enumeration", "checkbox"),
}
"""HubSpot's type and field type of each kind."""
CREATED = {200, 201}
CONFLICT = 409
"""Another process has created it in the meantime."""


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Creates what is missing in one account."""

    api: HubSpotApi

    def create_properties(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create properties. Raises: CrmError."""
        paths = self.api.paths
        self._create_group(object_name)
        for start in range(0, len(wanted), BATCH_LIMIT):
            inputs = [property_body(field) for field in wanted[start : start + BATCH_LIMIT]]
            path = paths.properties(object_name, "batch/create")
            self._create(path, {"inputs": inputs}, CREATED)

    def _create_group(self, object_name: str) -> None:
        path = self.api.paths.properties(object_name, "groups")
        groups = self.api.get(path)["results"]
        if GROUP["name"] not in {group["name"] for group in groups}:
            self._create(path, dict(GROUP), CREATED | {CONFLICT})

    def _create(self, path: str, body: object, good: set[int]) -> None:
        answer = self.api.post(path, SETUP, body)
        if answer.status not in good:
            message = body_of(answer).get("message", "")
            raise CrmError(
                f"HubSpot could not create the properties ({answer.status}): {message}",
                "Create them by hand, or grant the token the schema scopes.",
            )

    def create_object(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create a custom object with its properties.

        Raises: NoSuchObjectError if the portal may not have custom objects.
        """
        key = next(field.name for field in wanted if field.unique)
        properties = [property_body(field) for field in wanted]
        for body in properties:
            del body["groupName"]  # the group belongs to an object, which does not exist yet
        schema = {
            "name": object_name,
            "labels": CUSTOM[object_name],
            "primaryDisplayProperty": key,
            "requiredProperties": [key],
            "properties": properties,
            "associatedObjects": [],
        }
        answer = self.api.http.call("POST", SCHEMAS, SETUP, json=schema)
        if not answer.ok:
            raise NoSuchObjectError(
                f"HubSpot could not create the custom object {object_name} ({answer.status}).",
                "Custom objects need an Enterprise portal and the schema scopes.",
            )


def property_body(wanted: FieldWanted) -> dict[str, Any]:
    """A property to be created."""
    property_type, field_type = TYPES[wanted.kind]
    body: dict[str, Any] = {
        "name": wanted.name,
        "label": wanted.name.replace("_", " ").replace("canai", "CanAI", 1),
        "groupName": GROUP["name"],
        "type": property_type,
        "fieldType": "textarea" if wanted.long_text else field_type,
    }
    options = ("true", "false") if wanted.kind == "boolean" else wanted.options
    if options:
        body["options"] = [
            {"label": option, "value": option, "displayOrder": order, "hidden": False}
            for order, option in enumerate(options)
        ]
    if wanted.unique:
        body["hasUniqueValue"] = True
    return body
