"""Creating properties, in a group of their own, and custom objects. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.objects import FieldWanted, Namespace, ObjectSpec
from reverse_etl.values import Kind

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of
from target_hubspot.object_types import ObjectTypes
from target_hubspot.objects import BATCH_LIMIT

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
    types: ObjectTypes
    namespace: Namespace

    def create_properties(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create properties. Raises: CrmError."""
        paths = self.api.paths
        self._create_group(object_name)
        for start in range(0, len(wanted), BATCH_LIMIT):
            inputs = [self._property(field) for field in wanted[start : start + BATCH_LIMIT]]
            path = paths.properties(object_name, "batch/create")
            self._create(path, {"inputs": inputs}, CREATED)

    def _create_group(self, object_name: str) -> None:
        """Create the property group of the namespace."""
        path = self.api.paths.properties(object_name, "groups")
        groups = self.api.get(path)["results"]
        if self.namespace.name not in {group["name"] for group in groups}:
            group = {"name": self.namespace.name, "label": self.namespace.label}
            self._create(path, group, CREATED | {CONFLICT})

    def _create(self, path: str, body: object, good: set[int]) -> None:
        answer = self.api.post(path, SETUP, body)
        if answer.status not in good:
            message = body_of(answer).get("message", "")
            raise CrmError(
                f"HubSpot could not create the properties ({answer.status}): {message}",
                "Create them by hand, or grant the token the schema scopes.",
            )

    def create_object(self, spec: ObjectSpec, wanted: Sequence[FieldWanted]) -> None:
        """Create a custom object with its properties.

        Raises: NoSuchObjectError if the portal may not have custom objects.
        """
        key = next((field.name for field in wanted if field.unique), wanted[0].name)
        properties = [self._property(field) for field in wanted]
        for body in properties:
            del body["groupName"]  # the group belongs to an object, which does not exist yet
        label = spec.label or readable(spec.name)
        schema = {
            "name": spec.name,
            "labels": {"singular": label, "plural": spec.plural or f"{label}s"},
            "primaryDisplayProperty": key,
            "requiredProperties": [key],
            "properties": properties,
            "associatedObjects": [],
        }
        answer = self.api.http.call("POST", self.api.paths.schemas(), SETUP, json=schema)
        if not answer.ok:
            raise NoSuchObjectError(
                f"HubSpot could not create the custom object {spec.name} ({answer.status}).",
                "Custom objects need an Enterprise portal and the schema scopes.",
            )
        self.types.add(body_of(answer))

    def _property(self, wanted: FieldWanted) -> dict[str, Any]:
        """A property to be created."""
        property_type, field_type = TYPES[wanted.kind]
        label = wanted.name.replace("_", " ")
        body: dict[str, Any] = {
            "name": wanted.name,
            "label": label.replace(self.namespace.name, self.namespace.label, 1),
            "groupName": self.namespace.name,
            "type": property_type,
            "fieldType": "textarea" if wanted.long_text else field_type,
        }
        if wanted.kind == "boolean":
            body["options"] = option_bodies(("true", "false"))
        elif wanted.options:
            body["options"] = option_bodies(wanted.options)
        if wanted.unique:
            body["hasUniqueValue"] = True
        return body


def readable(name: str) -> str:
    """A name as people write it: `service_plan` becomes `Service plan`."""
    return name.replace("_", " ").strip().capitalize()


def option_bodies(options: Sequence[str], first: int = 0) -> list[dict[str, Any]]:
    """Options to be created, shown from this place on."""
    return [
        {"label": option, "value": option, "displayOrder": order, "hidden": False}
        for order, option in enumerate(options, first)
    ]
