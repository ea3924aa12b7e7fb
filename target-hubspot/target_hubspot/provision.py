"""Creating properties, in a group of their own, and custom objects. What exists stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import SETUP, Answer
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
        self._create_group(object_name)
        for start in range(0, len(wanted), BATCH_LIMIT):
            self._create_batch(object_name, wanted[start : start + BATCH_LIMIT])

    def _create_batch(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create the properties of one call.

        If HubSpot refuses, another process may have created some of them: those that are still
        missing are sent again. Raises: CrmError.
        """
        path = self.api.paths.properties(object_name, "batch/create")
        while wanted:
            answer = self.api.post(
                path, SETUP, {"inputs": [self._property(field) for field in wanted]}
            )
            if answer.status in CREATED:
                return
            known = {item["name"] for item in self._properties(object_name)}
            missing = [field for field in wanted if field.name not in known]
            if len(missing) == len(wanted):
                raise not_created(answer)
            wanted = missing

    def _properties(self, object_name: str) -> Sequence[Mapping[str, Any]]:
        listed: Sequence[Mapping[str, Any]] = self.api.get(self.api.paths.properties(object_name))[
            "results"
        ]
        return listed

    def _create_group(self, object_name: str) -> None:
        """Create the property group of the namespace."""
        path = self.api.paths.properties(object_name, "groups")
        groups = self.api.get(path)["results"]
        if self.namespace.name not in {group["name"] for group in groups}:
            group = {"name": self.namespace.name, "label": self.namespace.label}
            answer = self.api.post(path, SETUP, group)
            if answer.status not in CREATED | {CONFLICT}:
                raise not_created(answer)

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
        if answer.ok:
            self.types.add(body_of(answer))
        elif not self._has_object(spec.name):
            raise NoSuchObjectError(
                f"HubSpot could not create the custom object {spec.name} ({answer.status}).",
                "Custom objects need an Enterprise portal and the schema scopes.",
            )

    def _has_object(self, name: str) -> bool:
        """Returns True if another process has created a custom object in the meantime."""
        try:
            self.types.resolve(name)
        except NoSuchObjectError:
            return False
        return True

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


def not_created(answer: Answer) -> CrmError:
    """The error for properties that HubSpot refuses to create."""
    return CrmError(
        f"HubSpot could not create the properties ({answer.status}): "
        f"{body_of(answer).get('message', '')}",
        "Create them by hand, or grant the token the schema scopes.",
    )


def readable(name: str) -> str:
    """A name as people write it: `service_plan` becomes `Service plan`."""
    return name.replace("_", " ").strip().capitalize()


def option_bodies(options: Sequence[str], first: int = 0) -> list[dict[str, Any]]:
    """Options to be created, shown from this place on."""
    return [
        {"label": option, "value": option, "displayOrder": order, "hidden": False}
        for order, option in enumerate(options, first)
    ]
