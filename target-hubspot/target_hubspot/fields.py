"""Properties of the account, and their values: as text, and in canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reverse_etl.crm.adapter import Hit
from reverse_etl.crm.http import SETUP
from reverse_etl.errors import NoSuchObjectError, NotRepresentableError
from reverse_etl.values import FieldInfo, Kind, Value, canonical, plain_number

from target_hubspot.api import SCHEMAS, HubSpotApi
from target_hubspot.errors import body_of
from target_hubspot.objects import CUSTOM, FOLDS_CASE, NOTE_FIELDS, NOTES
from target_hubspot.pipelines import pipeline_fields

KINDS: dict[str, Kind] = {
    "string": "text",
    "number": "number",
    "datetime": "datetime",
    "date": "date",
    "enumeration": "choice",
    "bool": "boolean",
}
"""HubSpot's types; any other is text."""
MAX_TEXT = 65_536
"""Characters of a text property. Source: HubSpot, Properties guide, read 2026-11-23."""
MILLISECOND_DIGITS = 3


@dataclass(slots=True)
class Fields:
    """The properties of each object, once it has been described."""

    api: HubSpotApi
    pipeline: str
    """The deal pipeline of the settings, by name or id; empty for the first."""
    infos: dict[str, dict[str, FieldInfo]] = field(default_factory=dict)

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Properties by internal name. Raises: NoSuchObjectError, CrmError."""
        if object_name in CUSTOM:
            self._find_type(object_name)

        properties = self.api.get(self.api.paths.properties(object_name))["results"]
        infos = {item["name"]: field_info(object_name, item) for item in properties}
        if object_name == NOTES:
            infos |= NOTE_FIELDS
        if object_name == "deals":
            pipelines = self.api.get(self.api.paths.pipelines("deals"))["results"]
            infos |= pipeline_fields(infos, pipelines, self.pipeline)

        self.infos[object_name] = infos
        return infos

    def _find_type(self, object_name: str) -> None:
        """Raises: NoSuchObjectError if the portal has no such custom object, or hides it."""
        answer = self.api.http.call("GET", SCHEMAS, SETUP)
        schemas: Sequence[Mapping[str, Any]] = ()
        if answer.ok:
            schemas = body_of(answer).get("results") or ()
        for schema in schemas:
            if schema.get("name") == object_name:
                self.api.paths.types[object_name] = str(schema["objectTypeId"])
                return
        raise NoSuchObjectError(
            f"HubSpot has no custom object {object_name}.",
            "Create it, or remove its rule from the mapping.",
        )

    def hit(
        self, object_name: str, crm_id: str, properties: Mapping[str, Any], names: Iterable[str]
    ) -> Hit:
        """A record with the canonical values of these properties."""
        infos = self.infos[object_name]
        values = {name: from_wire(infos[name], properties.get(name)) for name in names}
        return Hit(crm_id, values, properties)


def field_info(object_name: str, item: Mapping[str, Any]) -> FieldInfo:
    """A property as the core knows it."""
    kind = KINDS.get(item["type"], "text")
    if kind == "choice" and item.get("fieldType") == "checkbox":
        kind = "choices"
    options = option_values(item) if kind in ("choice", "choices") else ()
    folds = (object_name, item["name"]) in FOLDS_CASE
    return FieldInfo(
        item["name"],
        kind,
        writable=not is_read_only(item),
        max_length=MAX_TEXT if kind == "text" else None,
        options=options,
        strict_options=bool(options) and kind == "choice",
        scale=MILLISECOND_DIGITS if kind == "datetime" else None,
        unique=bool(item.get("hasUniqueValue")) or folds,
        folds_case=folds,
        trims=folds,
    )


def option_values(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Values of a property's options, in the order in which HubSpot shows them."""
    options = sorted(item.get("options") or [], key=lambda option: option.get("displayOrder", 0))
    return tuple(str(option["value"]) for option in options)


def is_read_only(item: Mapping[str, Any]) -> bool:
    """Returns True if HubSpot sets the property itself."""
    modification = item.get("modificationMetadata") or {}
    return bool(modification.get("readOnlyValue") or item.get("calculated"))


def to_wire(value: Value) -> str:
    """A canonical value as text, in which all properties travel; empty text clears a property."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return plain_number(Decimal(value))
    return ";".join(value) if isinstance(value, tuple) else value


def from_wire(info: FieldInfo, value: str | None) -> Value:
    """A value in canonical form; a value that the kind cannot represent is compared as text."""
    if value is None or value == "":
        return None
    try:
        return canonical(info, value.split(";") if info.kind == "choices" else value)
    except NotRepresentableError:
        return value
