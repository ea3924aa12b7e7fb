"""Which objects an account has: HubSpot's own by name, custom ones by the id of their type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from reverse_etl.crm.http import SETUP, Answer
from reverse_etl.errors import NoSuchObjectError

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of
from target_hubspot.objects import STANDARD

UNKNOWN = "Unable to infer object type from"
"""How HubSpot refuses a path that names no object, the bare name of a custom one included.
Source: HubSpot/hubspot-api-php issue 233, read 2026-11-29."""


TYPE_ID = re.compile(r"\d+-\d+|p\d+_\w+", re.IGNORECASE)
"""What else a path may name an object by: the id of its type, or its name in full.
Source: HubSpot, Understanding the CRM, object type IDs; Object schemas API, `objectType` is a type
ID or a fully qualified name; both read 2026-11-30. That the latter begins with `p` and the portal's
id, and that singular names are taken, is not confirmed by a source."""


def check_name(name: str) -> None:
    """HubSpot takes an object under several names, and the ledger would have it under each.

    Raises: NoSuchObjectError for any but the plural that its documentation uses.
    """
    plural = next((known for known in STANDARD if name.lower() in singulars(known)), "")
    if plural or TYPE_ID.fullmatch(name):
        raise NoSuchObjectError(
            f"HubSpot's own name of the object is not {name}.",
            f"Did you mean {plural}?" if plural else "Use the name in its schema.",
        )


def singulars(plural: str) -> set[str]:
    """Other spellings of a standard object's name: `Contacts`, `contact`; `company`."""
    spelled = {plural.removesuffix("s"), plural.removesuffix("ies") + "y"}
    return spelled - {plural}


@dataclass(slots=True)
class ObjectTypes:
    """The custom objects of one account, asked for when a name is not one of HubSpot's own."""

    api: HubSpotApi
    schemas: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Custom objects by name."""

    def is_unknown(self, answer: Answer) -> bool:
        """Returns True if HubSpot does not know the object that a path names."""
        return not answer.ok and str(body_of(answer).get("message", "")).startswith(UNKNOWN)

    def resolve(self, name: str) -> None:
        """Make paths name a custom object by the id of its type.

        Raises: NoSuchObjectError if the account has no such object, or hides it.
        """
        if name not in self.schemas:
            self._list()
        if name not in self.schemas:
            near = get_close_matches(name, list(self.names()), n=1)
            raise NoSuchObjectError(
                f"HubSpot has no object {name}.",
                f"Did you mean {near[0]}?"
                if near
                else "Create it, or remove its rule from the mapping.",
            )

    def all_names(self) -> list[str]:
        """Names of HubSpot's own objects and of all custom ones. Raises: CrmError."""
        if not self.schemas:
            self._list()
        return list(self.names())

    def names(self) -> Iterator[str]:
        """Names of HubSpot's own objects and of the custom ones that are known."""
        yield from STANDARD
        yield from self.schemas

    def required(self, name: str) -> frozenset[str]:
        """Properties that a custom object's new records need."""
        return frozenset(self.schemas.get(name, {}).get("requiredProperties") or ())

    def type_id(self, name: str) -> str:
        """How a schema refers to an object: by type id, one of HubSpot's own by name."""
        return self.api.paths.types.get(name, name)

    def add(self, schema: Mapping[str, Any]) -> None:
        """Remember a custom object."""
        name = str(schema["name"])
        self.schemas[name] = schema
        self.api.paths.types[name] = str(schema["objectTypeId"])

    def _list(self) -> None:
        """Ask for all custom objects; there are none where the token may not see them."""
        answer = self.api.http.call("GET", self.api.paths.schemas(), SETUP)
        for schema in body_of(answer).get("results") or () if answer.ok else ():
            self.add(schema)
