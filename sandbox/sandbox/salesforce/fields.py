"""A field of an object, as describe shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    values: tuple[str, ...] = ()
    restricted: bool = False
    """True if a picklist accepts only its values."""
    refers_to: str = ""
    """The object a look-up points at, `*` for any."""
    lookup: bool = False
    """True if rows can be found by it although it is not an external id."""
    label: str = ""
    scale: int = 0
    external: bool = False
    unique: bool = False

    def described(self) -> dict[str, Any]:
        """The field as describe shows it."""
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "length": self.length,
            "precision": 18 if self.type in NUMBERS else 0,
            "scale": self.scale,
            "createable": self.createable,
            "updateable": self.updateable,
            "nillable": not self.required,
            "defaultedOnCreate": False,
            "custom": self.name.endswith("__c"),
            "externalId": self.external,
            "unique": self.unique,
            "caseSensitive": False,
            "idLookup": self.lookup or self.external,
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"value": value, "label": value, "active": True, "defaultValue": False}
                for value in self.values
            ],
            "referenceTo": [self.refers_to] if self.refers_to else [],
            "relationshipName": relationship(self.name) if self.refers_to else None,
            "calculated": False,
            "filterable": True,
        }


def relationship(name: str) -> str:
    """The relationship of a look-up: Contact for `ContactId`, Contact__r for `Contact__c`."""
    return name.removesuffix("Id") if name.endswith("Id") else name.removesuffix("__c") + "__r"


def reference(name: str, refers_to: str, **properties: Any) -> Field:
    """A look-up."""
    return Field(name, "reference", 18, refers_to=refers_to, **properties)


def read_only(name: str, kind: str = "string", length: int = 0, refers_to: str = "") -> Field:
    """A field that only Salesforce sets."""
    return Field(name, kind, length, createable=False, updateable=False, refers_to=refers_to)
