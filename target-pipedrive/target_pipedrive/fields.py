"""Fields of the company, as its field lists describe them, and their values in canonical form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from reverse_etl.crm.adapter import Hit
from reverse_etl.errors import CrmError, NoSuchObjectError, NotRepresentableError
from reverse_etl.objects import ObjectSpec
from reverse_etl.values import FieldInfo, Kind, Value, canonical

from target_pipedrive.api import PipedriveApi, Record
from target_pipedrive.lists import primary
from target_pipedrive.objects import (
    CURRENCY,
    ENDPOINTS,
    LEAD_FIELDS,
    LEAD_NAMES,
    LISTS,
    MARKER_FIELD,
    NOTE_FIELDS,
    NOTES,
    PRICE,
    READ_ONLY,
    RENAMED,
    STATUSES,
    VARCHAR_LENGTH,
)

FIELD_KINDS: dict[str, Kind] = {
    "double": "number",
    "monetary": "number",
    "int": "integer",
    "stage": "integer",
    "user": "integer",
    "org": "integer",
    "people": "integer",
    "deal": "integer",
    "project": "integer",
    "visible_to": "integer",
    "date": "date",
    "enum": "choice",
    "status": "choice",
    "set": "choices",
    "boolean": "boolean",
}
"""Pipedrive's types; any other is text."""
REFERS = {"org": "organizations", "people": "persons", "deal": "deals", "lead": "leads"}
"""Objects whose ids a field holds, by its type."""
SHORT_TEXTS = ("varchar", "varchar_auto", "phone")
IN_VALUE = ("time", "daterange", "timerange")
"""Types whose value is an object with `value` in it, like that of those with subfields."""

Options = Mapping[str, Any]
"""Ids of a field's options by label: rules have labels, Pipedrive has ids."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record holds a field."""

    code: str
    custom: bool = False
    part: str = ""
    """The key in the field's value, if that is an object."""
    options: Options = field(default_factory=dict)
    type: str = ""
    """Pipedrive's type of the field."""


class Described(dict[str, FieldInfo]):
    """Fields by name, which refuses a name that several fields share once a rule asks for it."""

    def __init__(self, object_name: str) -> None:
        super().__init__()
        self.object_name = object_name
        self.shared: set[str] = set()

    def __contains__(self, name: object) -> bool:
        """Raises: CrmError."""
        if name in self.shared:
            raise CrmError(
                f"Pipedrive has two fields of {self.object_name} named {name!r}.",
                "Rename one in Pipedrive, so that it is clear which one the mapping means.",
            )
        return super().__contains__(name)


@dataclass(slots=True)
class Fields:
    """The fields of each object, once it has been described."""

    api: PipedriveApi
    spec: Callable[[str], ObjectSpec]
    infos: dict[str, Described] = field(default_factory=dict)
    places: dict[str, dict[str, Place]] = field(default_factory=lambda: defaultdict(dict))

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Standard fields by code, custom fields by name. Raises: NoSuchObjectError, CrmError."""
        endpoint = ENDPOINTS.get(object_name)
        if endpoint is None:
            raise NoSuchObjectError(
                f"Pipedrive has no object {object_name}.", f"Known: {', '.join(ENDPOINTS)}."
            )
        self.infos[object_name] = Described(object_name)
        self.places[object_name] = {}
        for item in self.api.pages(f"/api/v2/{endpoint.fields}") if endpoint.fields else ():
            for info, place in fields_of(item):
                self._add(object_name, info, place)
        for info in self._beside(object_name):
            self._add(object_name, info, Place(info.name))
        return self.infos[object_name]

    def _beside(self, object_name: str) -> Iterable[FieldInfo]:
        """Fields that no list describes."""
        if object_name == NOTES:
            yield from NOTE_FIELDS
        if object_name == "products":
            yield from (PRICE, CURRENCY)
        if self.spec(object_name).marker_in:
            yield MARKER_FIELD

    def _add(self, object_name: str, info: FieldInfo, place: Place) -> None:
        infos, places = self.infos[object_name], self.places[object_name]
        name = info.name
        if object_name == "leads" and not place.custom:
            if name not in LEAD_FIELDS:
                return
            name = LEAD_NAMES.get(name, name)
            info, place = replace(info, name=name), replace(place, code=name)
        if info.name == ENDPOINTS[object_name].required:
            info = replace(info, required=True)
        if name in infos.shared or name in infos:
            infos.shared.add(name)
            infos.pop(name, None)
            return
        infos[name], places[name] = info, place

    def hit(self, object_name: str, record: Record, names: Iterable[str]) -> Hit:
        """A record with the canonical values of these fields."""
        values = {name: self.value(object_name, record, name) for name in names}
        return Hit(str(record["id"]), values, record)

    def value(self, object_name: str, record: Record, name: str) -> Value:
        """A field's canonical value; of a list, that of the primary entry.

        A value that the kind cannot represent is compared as text.
        """
        if name in LISTS:
            return primary(record.get(name) or [])

        place = self.places[object_name][name]
        holder = (record.get("custom_fields") or {}) if place.custom else record
        value = holder.get(place.code)
        if isinstance(value, dict):
            value = value.get(place.part or "value")
        if value is not None:
            value = with_labels(value, place.options)
        try:
            return canonical(self.infos[object_name][name], value)
        except NotRepresentableError:
            return str(value)


def to_wire(place: Place, value: Value) -> Any:
    """A canonical value in JSON; null clears the field."""
    if isinstance(value, tuple):
        return [place.options.get(label, label) for label in value] or None
    if place.options and isinstance(value, str):
        return place.options[value]
    return float(value) if isinstance(value, Decimal) else value


def fields_of(item: Record) -> Iterable[tuple[FieldInfo, Place]]:
    """A field of a list as the core knows it, and its parts if its value is an object."""
    custom = bool(item.get("is_custom_field"))
    code = str(item["field_code"])
    code = code if custom else RENAMED.get(code, code)
    name = str(item["field_name"]) if custom else code
    parts = {part["field_code"]: part for part in item.get("subfields") or ()}
    in_root = code == "value" and not custom  # of a deal
    in_value = (bool(parts) or item["field_type"] in IN_VALUE) and not in_root
    place = Place(code, custom, "value" if in_value else "", options_of(item), item["field_type"])
    yield field_info(item, name, custom), place
    if in_root:
        yield CURRENCY, Place("currency")
        return
    for part, described in parts.items():
        if part != "value":
            part_name = described["field_name"] if custom else f"{code}_{part}"
            yield FieldInfo(part_name, "text", max_length=VARCHAR_LENGTH), replace(place, part=part)


def field_info(item: Record, name: str, custom: bool) -> FieldInfo:
    """A field as the core knows it."""
    field_type = item["field_type"]
    kind = FIELD_KINDS.get(field_type, "text")
    if not custom and name.endswith("_id") and kind == "number":
        kind = "integer"
    limited = field_type in SHORT_TEXTS and name not in LISTS
    options = STATUSES if field_type == "status" else tuple(options_of(item))
    # a list of labels names its options elsewhere, so what they are is not known here
    strict = kind == "choice" or (kind == "choices" and bool(custom or options))
    return FieldInfo(
        name,
        kind,
        writable=custom or is_writable(item, name),
        max_length=VARCHAR_LENGTH if limited else None,
        options=options,
        strict_options=strict,
        scale=2 if field_type == "monetary" else None,
        folds_case=name == "emails",
        wire_name=item["field_code"] if custom else "",
        refers=(REFERS[field_type],) if field_type in REFERS else (),
        label=str(item.get("field_name") or ""),
    )


def is_writable(item: Record, name: str) -> bool:
    """Returns True if a standard field can be written, as far as Pipedrive says so."""
    if item.get("is_optional_response_field") or name in READ_ONLY:
        return False
    return bool(item.get("is_writable", True))


def options_of(item: Record) -> dict[str, Any]:
    """Ids of a field's options by label, in the company's order."""
    if item["field_type"] not in ("enum", "set"):
        return {}
    return {str(option["label"]): option["id"] for option in item.get("options") or []}


def with_labels(value: Any, options: Options) -> Any:
    """A value with labels in place of the ids of options."""
    if not options:
        return value
    labels = {str(option_id): label for label, option_id in options.items()}
    if isinstance(value, str) and "," in value:
        value = value.split(",")
    if isinstance(value, list):
        return [labels.get(str(option_id), str(option_id)) for option_id in value]
    return labels.get(str(value), str(value))
