"""Fields of the company, and their values: in JSON, and in canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reverse_etl.crm.adapter import Hit
from reverse_etl.errors import CrmError, NotRepresentableError
from reverse_etl.values import FieldInfo, Kind, Value, canonical

from target_pipedrive.api import PipedriveApi, Record
from target_pipedrive.lists import primary
from target_pipedrive.objects import KINDS, LISTS, NOTE_FIELDS, NOTES, VARCHAR_LENGTH

FIELD_KINDS: dict[str, Kind] = {
    "double": "number",
    "int": "integer",
    "date": "date",
    "enum": "choice",
    "set": "choices",
    "boolean": "boolean",
}
"""Pipedrive's types; any other is text."""
SHORT_TEXTS = ("varchar", "varchar_auto", "phone")

Options = Mapping[str, int]
"""Ids of a field's options by label: rules have labels, Pipedrive has ids."""


@dataclass(slots=True)
class Fields:
    """The fields of each object, once it has been described."""

    api: PipedriveApi
    infos: dict[str, dict[str, FieldInfo]] = field(default_factory=dict)
    options: dict[tuple[str, str], Options] = field(default_factory=dict)
    """By object and field."""

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """Standard fields by code, custom fields by name.

        Raises: CrmError, also if two fields have the same name.
        """
        if object_name == NOTES:
            return dict(NOTE_FIELDS)

        kind = KINDS[object_name]
        infos = {info.name: info for info in kind.standard}
        for item in self.api.pages(kind.fields):
            if not item.get("is_custom_field"):
                continue
            name = item["field_name"]
            if name in infos:
                raise CrmError(
                    f"Pipedrive has two fields of {object_name} named {name!r}.",
                    "Rename one in Pipedrive, so that it is clear which one the mapping means.",
                )
            infos[name] = field_info(item)
            self.options[(object_name, name)] = options_of(item)
        self.infos[object_name] = infos
        return infos

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

        info = self.infos[object_name][name]
        holder = (record.get("custom_fields") or {}) if info.wire_name else record
        value = holder.get(info.wire_name or name)
        if value is not None:
            value = with_labels(value, self.options.get((object_name, name), {}))
        try:
            return canonical(info, value.get("value") if isinstance(value, dict) else value)
        except NotRepresentableError:
            return str(value)

    def to_wire(self, object_name: str, name: str, value: Value) -> Any:
        """A canonical value in JSON; null clears the field."""
        options = self.options.get((object_name, name))
        if isinstance(value, tuple):
            return [options[label] for label in value] if options else list(value)
        if options and isinstance(value, str):
            return options[value]
        return float(value) if isinstance(value, Decimal) else value


def field_info(item: Record) -> FieldInfo:
    """A custom field as the core knows it."""
    kind = FIELD_KINDS.get(item["field_type"], "text")
    return FieldInfo(
        item["field_name"],
        kind,
        max_length=VARCHAR_LENGTH if item["field_type"] in SHORT_TEXTS else None,
        options=tuple(options_of(item)) if kind in ("choice", "choices") else (),
        strict_options=kind == "choice",
        wire_name=item["field_code"],
    )


def options_of(item: Record) -> dict[str, int]:
    """Ids of a field's options by label, in the company's order."""
    return {str(option["label"]): int(option["id"]) for option in item.get("options") or []}


def with_labels(value: Any, options: Options) -> Any:
    """A value with labels in place of the ids of options."""
    if not options:
        return value
    labels = {option_id: label for label, option_id in options.items()}
    if isinstance(value, list):
        return [labels.get(option_id, str(option_id)) for option_id in value]
    return labels.get(value, str(value))
