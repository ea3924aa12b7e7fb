"""Properties of the account, and their values: as text, and in canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from reverse_etl.crm.adapter import Hit
from reverse_etl.crm.http import SETUP
from reverse_etl.errors import NoSuchLinkError, NotRepresentableError
from reverse_etl.objects import LinkForm, LinkWanted
from reverse_etl.values import FieldInfo, Kind, Value, canonical, plain_number

from target_hubspot.api import HubSpotApi
from target_hubspot.default_options import without_removed
from target_hubspot.errors import body_of, check
from target_hubspot.object_types import ObjectTypes, check_name
from target_hubspot.objects import FOLDS_CASE
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
DEALS = "deals"
"""The object whose pipeline is a setting."""
PIPELINE_FIELDS = (("pipeline", "dealstage"), ("hs_pipeline", "hs_pipeline_stage"))
"""Pipeline and stage, by the names they have on deals and on all other objects.
Source: HubSpot, Pipelines guide, read 2026-11-29."""


@dataclass(slots=True)
class Fields:
    """The properties of each object, once it has been described."""

    api: HubSpotApi
    types: ObjectTypes
    pipeline: str
    """The deal pipeline of the settings, by name or id; empty for the first."""
    infos: dict[str, dict[str, FieldInfo]] = field(default_factory=dict)

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Properties by internal name. Raises: NoSuchObjectError, CrmError."""
        check_name(object_name)
        properties = self._properties(object_name)
        required = self.types.required(object_name)
        infos = {}
        for item in properties:
            info = field_info(object_name, item)
            info = replace(info, required=info.name in required)
            infos[info.name] = without_removed(info, info.options)

        for pipeline_name, stage_name in PIPELINE_FIELDS:
            if pipeline_name in infos and stage_name in infos:
                infos |= self._pipeline_fields(object_name, infos[pipeline_name], infos[stage_name])
        self.infos[object_name] = infos
        return infos

    def _properties(self, object_name: str) -> Sequence[Mapping[str, Any]]:
        """Raises: NoSuchObjectError, CrmError."""
        answer = self.api.http.call("GET", self.api.paths.properties(object_name), SETUP)
        if self.types.is_unknown(answer):
            self.types.resolve(object_name)
        elif answer.ok and isinstance(answer.body, dict):
            results: Sequence[Mapping[str, Any]] = answer.body["results"]
            return results
        properties: Sequence[Mapping[str, Any]] = self.api.get(
            self.api.paths.properties(object_name)
        )["results"]
        return properties

    def _pipeline_fields(
        self, object_name: str, pipeline: FieldInfo, stage: FieldInfo
    ) -> dict[str, FieldInfo]:
        """The two fields as those that take names, if the object has pipelines."""
        answer = check(self.api.http.call("GET", self.api.paths.pipelines(object_name), SETUP))
        pipelines = (body_of(answer).get("results") or ()) if answer.ok else ()
        if not pipelines:
            return {}
        wanted = self.pipeline if object_name == DEALS else None
        return pipeline_fields(pipeline, stage, pipelines, wanted)

    def reference(self, object_name: str, wanted: LinkWanted, *, provision: bool) -> LinkForm:
        """A property that holds the other record's id. Raises: NoSuchLinkError."""
        infos = self.infos.get(object_name, {})
        if wanted.field not in infos and not provision:
            near = get_close_matches(wanted.field, list(infos), n=1)
            raise NoSuchLinkError(
                f"{object_name} has no property {wanted.field} to link it to {wanted.to}.",
                f"Did you mean {near[0]}?" if near else "Leave `field` out for an association.",
            )
        return LinkForm(wanted.to, "reference", field=wanted.field)

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
        strict_options=kind in ("choice", "choices") and has_fixed_options(item),
        scale=MILLISECOND_DIGITS if kind == "datetime" else None,
        unique=bool(item.get("hasUniqueValue")) or folds,
        folds_case=folds,
        trims=folds,
        label=str(item.get("label") or ""),
    )


def has_fixed_options(item: Mapping[str, Any]) -> bool:
    """Returns True if a value has to be one of the options that the property shows.

    Those of some of HubSpot's own properties, such as owners, are kept elsewhere.
    """
    if item.get("externalOptions"):
        return False
    return bool(item.get("options")) or not item.get("hubspotDefined")


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
