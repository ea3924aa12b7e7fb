"""Objects and fields as the Metadata API wants them.

Source: metadata WSDL v63; Metadata API developer guide, createMetadata, read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reverse_etl.objects import FieldWanted, ObjectSpec

KEY_LENGTH, TEXT_LENGTH, LONG_LENGTH = 100, 255, 131_072
"""Maximum characters of a key, of a text, and of a long text area."""
VISIBLE_LINES = 4
"""Lines of a multi-select picklist that a page shows at once."""
RELATIONSHIP_LENGTH = 40
"""Characters of a relationship's name, as of other API names.
Source: Metadata API developer guide, CustomField, read 2026-11-29."""
NO_WORD = re.compile(r"\W+|_{2,}")
"""What an API name may not contain."""
NUMBER = {"precision": 18, "scale": 4, "type": "Number"}
TYPES: Mapping[str, Mapping[str, Any]] = {
    "number": NUMBER,
    "integer": NUMBER | {"scale": 0},
    "boolean": {"type": "Checkbox", "defaultValue": "false"},
    "date": {"type": "Date"},
    "datetime": {"type": "DateTime"},
}
"""Metadata of the kinds that need no more than this."""


def words_of(name: str) -> str:
    """The API name of an object or a field as people read it."""
    return name.removesuffix("__c").replace("_", " ")


def labels_of(spec: ObjectSpec) -> tuple[str, str]:
    """Singular and plural of an object; one that is not named otherwise is called by its name."""
    name = words_of(spec.name)
    return spec.label or name, spec.plural or spec.label or name


def object_metadata(spec: ObjectSpec, *, named: bool = False) -> dict[str, Any]:
    """A custom object whose records are `named` by the rule, or by automatic numbers."""
    label, plural = labels_of(spec)
    name_field = {"displayFormat": "{00000000}", "label": f"{label} Number", "type": "AutoNumber"}
    if named:
        name_field = {"label": f"{label} Name", "type": "Text"}
    return {
        "fullName": spec.name,
        "deploymentStatus": "Deployed",
        "label": label,
        "nameField": name_field,
        "pluralLabel": plural,
        "sharingModel": "ReadWrite",
    }


def field_metadata(spec: ObjectSpec, wanted: FieldWanted) -> dict[str, Any]:
    """A custom field."""
    metadata = {"label": words_of(wanted.name), **type_metadata(spec, wanted)}
    if wanted.unique and not wanted.refers:
        metadata |= {"externalId": True, "unique": True, "caseSensitive": True}
    return {"fullName": f"{spec.name}.{wanted.name}", **in_order(metadata)}


def type_metadata(spec: ObjectSpec, wanted: FieldWanted) -> Mapping[str, Any]:
    """What makes a field hold values of its kind."""
    if wanted.refers:
        return lookup_metadata(spec, wanted)
    if wanted.kind in TYPES:
        return TYPES[wanted.kind]
    if wanted.kind == "choice":
        return {"type": "Picklist", **values_metadata(wanted.options)}
    if wanted.kind == "choices" and wanted.options:
        lines = {"visibleLines": VISIBLE_LINES}
        return {"type": "MultiselectPicklist", **lines, **values_metadata(wanted.options)}
    if wanted.long_text:
        return {"type": "LongTextArea", "length": LONG_LENGTH, "visibleLines": 5}
    return {"type": "Text", "length": KEY_LENGTH if wanted.unique else TEXT_LENGTH}


def lookup_metadata(spec: ObjectSpec, wanted: FieldWanted) -> dict[str, Any]:
    """A lookup to another object, emptied when the other record is deleted."""
    _, plural = labels_of(spec)
    return {
        "type": "Lookup",
        "referenceTo": wanted.refers,
        "deleteConstraint": "SetNull",
        "relationshipLabel": plural,
        "relationshipName": relationship_name(plural, wanted),
    }


def relationship_name(plural: str, wanted: FieldWanted) -> str:
    """What the other object calls its records at this end.

    It must be the only one of its name there, so a field that is not simply named after the other
    object, of which there may be several, is part of it.
    """
    words = plural
    if words_of(wanted.name) != words_of(wanted.refers):
        words = f"{plural} {words_of(wanted.name)}"
    return NO_WORD.sub("_", words)[:RELATIONSHIP_LENGTH].strip("_")


def values_metadata(options: Iterable[str]) -> dict[str, Any]:
    """The values of a picklist that takes no others."""
    values = [{"fullName": option, "default": False, "label": option} for option in options]
    definition = {"sorted": False, "value": values}
    return {"valueSet": {"restricted": True, "valueSetDefinition": definition}}


def in_order(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Elements in the order of the WSDL: by name."""
    return dict(sorted(metadata.items()))
