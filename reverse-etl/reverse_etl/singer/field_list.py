"""The fields of a CRM object, as `mapping fields` lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from singer_kit.words import nearest

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import FatalError, MappingError, NoSuchObjectError
from reverse_etl.objects import ObjectSpec
from reverse_etl.singer.target import CrmTarget
from reverse_etl.values import FieldInfo

COLUMNS = ("name", "label", "type", "required", "unique", "writable", "options")


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """An object as the CRM describes it."""

    name: str
    spec: ObjectSpec
    fields: Mapping[str, FieldInfo]
    key: str
    """The field that the mapping has as its key; empty if it has none."""
    adapter: Adapter

    def requires(self, field: FieldInfo) -> bool:
        """Returns True if no record can be created without a field."""
        return field.required or field.name in self.spec.required


def described_fields(plugin: CrmTarget, name: str) -> DescribedObject:
    """An object of the CRM, mapped or not. Raises: FatalError."""
    adapter = plugin.build_adapter()
    if plugin.dry_run is not None:
        adapter = plugin.dry_run.adapter(adapter)
    default = adapter.default_object
    spec = adapter.objects.get(name) or (replace(default, name=name) if default else None)
    try:
        if spec is None:
            raise NoSuchObjectError(f"unknown object {name!r}.")
        adapter.objects = {**adapter.objects, name: spec}
        fields = adapter.describe(name)
    except NoSuchObjectError as error:
        names = [known for known in adapter.object_names() if known != name]
        raise FatalError(error.message, nearest(name, names) or error.hint) from None
    return DescribedObject(name, spec, fields, mapped_key(plugin, name), adapter)


def mapped_key(plugin: CrmTarget, name: str) -> str:
    """The upsert key that the mapping has for an object; empty if it has none, or cannot be read.

    A mapping that is still to be written has no rules.
    """
    with suppress(MappingError):
        known = plugin.mapping.file.objects.get(name)
        keys = [rule.upsert_key for rule in plugin.rules if rule.object == name]
        return keys[0] if keys else (known.key if known is not None else "")
    return ""


def field_rows(described: DescribedObject) -> list[dict[str, Any]]:
    """A row per field, by name."""
    return [
        {
            "name": field.name,
            "label": field.label,
            "type": field.kind,
            "required": described.requires(field),
            "unique": field.unique or field.exclusive,
            "writable": field.writable,
            "options": len(field.options),
        }
        for _, field in sorted(described.fields.items())
    ]


def field_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows in columns, under a heading."""
    table = [COLUMNS, *(tuple(cell(row[column]) for column in COLUMNS) for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(COLUMNS))]
    for line in table:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


def cell(value: object) -> str:
    """A value in a column; what is false or zero is left empty."""
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value or "")
