"""Fields of the org, and their values: in JSON, in CSV, and in canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reverse_etl.crm.adapter import Hit
from reverse_etl.crm.http import SETUP
from reverse_etl.errors import NoSuchObjectError, NotRepresentableError
from reverse_etl.values import FieldInfo, Kind, Value, canonical, plain_number

from target_salesforce.api import SalesforceApi
from target_salesforce.errors import json_object

KINDS: dict[str, Kind] = {
    "double": "number",
    "currency": "number",
    "percent": "number",
    "int": "integer",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "picklist": "choice",
    "multipicklist": "choices",
}
"""Salesforce's types; any other is text."""
DATETIME_DIGITS = 0
"""Salesforce keeps whole seconds of a date-time. Source: REST API answers recorded from an org."""


@dataclass(slots=True)
class Fields:
    """The fields that the running user sees, by object, once they have been described."""

    api: SalesforceApi
    infos: dict[str, dict[str, FieldInfo]] = field(default_factory=dict)
    relationships: dict[str, dict[str, str]] = field(default_factory=dict)
    """By object and lookup field: the name of the relationship."""

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """The fields of an object, by name. Raises: NoSuchObjectError, CrmError."""
        path = f"/sobjects/{object_name}/describe"
        answer = self.api.get(path, SETUP, missing_ok=True)
        if answer.status == 404:
            raise NoSuchObjectError(
                f"Salesforce has no object {object_name}, or hides it from the user.",
                "Create it, grant the user access to it, or set `provision: true`.",
            )
        hint = "Check `api_version` and the user's access."
        body = json_object(answer, f"a describe of {object_name}", hint)
        name = body.get("name", object_name)
        if name != object_name:  # where case is ignored, the ledger would have both
            raise NoSuchObjectError(
                f"Salesforce's own name of the object is not {object_name}.",
                f"Did you mean {name}?",
            )
        described = body["fields"]
        self.infos[object_name] = {item["name"]: field_info(item) for item in described}
        self.relationships[object_name] = {
            item["name"]: item["relationshipName"]
            for item in described
            # An external ID of a lookup to several objects would have to say which it means.
            if item.get("relationshipName") and len(item.get("referenceTo") or ()) == 1
        }
        return self.infos[object_name]

    def object_names(self) -> list[str]:
        """The objects that the running user may create records of. Raises: CrmError."""
        answer = self.api.get("/sobjects", SETUP)
        hint = "Check `api_version` and the user's access."
        listed = json_object(answer, "the list of objects", hint)["sobjects"]
        return [str(item["name"]) for item in listed if item.get("createable")]

    def hit(self, object_name: str, row: Mapping[str, Any], names: Iterable[str]) -> Hit:
        """A queried record with the canonical values of these fields."""
        infos = self.infos[object_name]
        values = {name: from_wire(infos[name], row.get(name)) for name in names}
        return Hit(str(row["Id"]), values, row)

    def from_cells(self, object_name: str, cells: Mapping[str, str]) -> dict[str, Any]:
        """A record of a CSV answer, as JSON would have it."""
        infos = self.infos[object_name]
        return {
            name: from_cell(infos[name], text) if name in infos else text
            for name, text in cells.items()
        }


def field_info(item: Mapping[str, Any]) -> FieldInfo:
    """A described field as the core knows it."""
    kind = KINDS.get(item["type"], "text")
    external_id = bool(item.get("externalId"))
    return FieldInfo(
        item["name"],
        kind,
        writable=bool(item.get("createable") or item.get("updateable")),
        max_length=int(item.get("length") or 0) or None if kind in ("text", "choice") else None,
        options=active_options(item) if kind in ("choice", "choices") else (),
        strict_options=bool(item.get("restrictedPicklist")),
        scale=scale_of(kind, item),
        digits=digits_of(kind, item),
        unique=bool(external_id and item.get("unique")) or item["name"] == "Id",
        exclusive=bool(item.get("unique")),
        trims=kind in ("text", "choice"),
        folds_case=item["type"] == "email" or (external_id and not item.get("caseSensitive")),
        refers=tuple(item.get("referenceTo") or ()),
        create_only=bool(item.get("createable") and not item.get("updateable")),
        required=is_required(item),
        label=str(item.get("label") or ""),
    )


def is_required(item: Mapping[str, Any]) -> bool:
    """Returns True if no record can be created without the field."""
    may_be_empty = item.get("nillable", True) or item.get("defaultedOnCreate")
    return bool(item.get("createable")) and not may_be_empty


def active_options(item: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a picklist that may be set, in the org's order."""
    options: Sequence[Mapping[str, Any]] = item.get("picklistValues") or ()
    return tuple(str(option["value"]) for option in options if option.get("active", True))


def scale_of(kind: Kind, item: Mapping[str, Any]) -> int | None:
    """Digits after the point that Salesforce keeps; None if the kind has none."""
    if kind == "number":
        return int(item.get("scale") or 0)
    return DATETIME_DIGITS if kind == "datetime" else None


def digits_of(kind: Kind, item: Mapping[str, Any]) -> int | None:
    """Digits before the point that Salesforce takes; None if it does not say.

    A number of precision 18 and scale 4 has 14; an integer says `digits` itself.
    Source: Salesforce, Object Reference, Field (describe), read 2026-11-29.
    """
    if kind == "number" and item.get("precision"):
        return int(item["precision"]) - int(item.get("scale") or 0)
    return int(item.get("digits") or 0) or None if kind == "integer" else None


def to_wire(value: Value) -> Any:
    """A canonical value in JSON; null clears the field."""
    if isinstance(value, Decimal):
        return float(value)
    return ";".join(value) if isinstance(value, tuple) else value


def from_wire(info: FieldInfo, value: Any) -> Value:
    """A value in canonical form; a value that the kind cannot represent is compared as text."""
    if value in (None, ""):
        return None
    try:
        return canonical(info, value.split(";") if info.kind == "choices" else value)
    except NotRepresentableError:
        return str(value)


def searched(info: FieldInfo, value: object) -> str:
    """A value as text, in the form in which the field holds it; empty if it cannot hold it."""
    try:
        held = canonical(info, value)
    except NotRepresentableError:
        return ""
    if isinstance(held, bool):
        return "true" if held else "false"
    if isinstance(held, tuple):
        return ";".join(held)
    return held if isinstance(held, str) else plain_number(held) if held is not None else ""


def compared(info: FieldInfo, value: object) -> str:
    """A value as the field compares it; text is compared without case by all but some keys.

    Source: Salesforce, SOQL and SOSL Reference, Comparison Operators, read 2026-11-29.
    """
    text = searched(info, value)
    return text if info.unique and not info.folds_case else text.casefold()


def from_cell(info: FieldInfo, text: str) -> Any:
    """A cell of a CSV answer, as JSON would have it."""
    if info.kind == "boolean":
        return text == "true"
    return text or None
