"""A field of an object, as describe shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INTEGER_DIGITS = 8
"""Digits of an integer field. Source: describes of standard objects recorded in public
repositories, read 2026-11-29."""
Fields = dict[str, dict[str, Any]]
"""Fields by name, as describe shows them."""
NUMBERS = ("double", "currency", "percent")


@dataclass(frozen=True, slots=True)
class Field:
    """What is special about a field."""

    name: str
    type: str = "string"
    length: int = 0
    createable: bool = True
    updateable: bool = True
    required: bool = False
    defaulted: bool = False
    """True if Salesforce fills it where a new row does not; it is never empty."""
    values: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    """Values of a picklist that were deactivated."""
    restricted: bool = False
    """True if a picklist accepts only its values."""
    refers_to: tuple[str, ...] = ()
    """The objects a look-up points at, `*` for any."""
    related: bool = True
    """False for a look-up without the name of a relationship."""
    lookup: bool = False
    """True if rows can be found by it although it is not an external id."""
    label: str = ""
    precision: int = 18
    """Digits of a number."""
    scale: int = 0
    external: bool = False
    unique: bool = False
    case_sensitive: bool = False
    filterable: bool = True

    def described(self) -> dict[str, Any]:
        """The field as describe shows it."""
        defaulted = self.defaulted or self.type == "boolean"
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "length": self.length,
            "precision": self.precision if self.type in NUMBERS else 0,
            "digits": INTEGER_DIGITS if self.type == "int" else 0,
            "scale": self.scale,
            "createable": self.createable,
            "updateable": self.updateable,
            "nillable": not (self.required or defaulted),
            "defaultedOnCreate": defaulted,
            "custom": self.name.endswith("__c"),
            "externalId": self.external,
            "unique": self.unique,
            "caseSensitive": self.case_sensitive,
            "idLookup": self.lookup or self.external,
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                *(picklist_entry(value, active=True) for value in self.values),
                *(picklist_entry(value, active=False) for value in self.inactive),
            ],
            "referenceTo": list(self.refers_to),
            "relationshipName": self.relationship_name(),
            "calculated": False,
            "filterable": self.filterable,
        }

    def relationship_name(self) -> str | None:
        """The relationship of a look-up: Contact for `ContactId`, Contact__r for `Contact__c`."""
        if not self.refers_to or not self.related:
            return None
        if self.name.endswith("__c"):
            return self.name.removesuffix("__c") + "__r"
        return self.name.removesuffix("Id")


def picklist_entry(value: str, *, active: bool) -> dict[str, Any]:
    """A value of a picklist."""
    return {"value": value, "label": value, "active": active, "defaultValue": False}


def reference(name: str, *refers_to: str, **properties: Any) -> Field:
    """A look-up."""
    return Field(name, "reference", 18, refers_to=refers_to, **properties)


def read_only(name: str, kind: str = "string", length: int = 0, **properties: Any) -> Field:
    """A field that only Salesforce sets."""
    return Field(name, kind, length, createable=False, updateable=False, **properties)


def texts(length: int, *names: str) -> tuple[Field, ...]:
    """Text fields of the same length."""
    return tuple(Field(name, length=length) for name in names)


def alike(kind: str, *names: str, length: int = 0, scale: int = 0) -> tuple[Field, ...]:
    """Fields of the same type."""
    return tuple(Field(name, kind, length, scale=scale) for name in names)


def address(prefix: str = "") -> tuple[Field, ...]:
    """The parts of an address."""
    return (
        Field(f"{prefix}Street", "textarea", 255),
        Field(f"{prefix}City", length=40),
        Field(f"{prefix}State", length=80),
        Field(f"{prefix}PostalCode", length=20),
        Field(f"{prefix}Country", length=80),
    )


def is_required(field: dict[str, Any]) -> bool:
    """Returns True if no row can be created without a value for the field."""
    return field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]


def initial(field: dict[str, Any]) -> bool | None:
    """What a field of a new row holds before it is written; a checkbox is never empty."""
    return False if field["type"] == "boolean" else None


def by_relationship(fields: Fields, name: str) -> dict[str, Any] | None:
    """The look-up of a relationship such as `Contact__r`."""
    for field in fields.values():
        if field["relationshipName"] == name:
            return field
    return None
