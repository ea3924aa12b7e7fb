"""HubSpot's association types: its own between standard objects, and those of a portal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.hubspot.errors import already_exists, invalid_association
from sandbox.hubspot.object_types import ACTIVITIES

HUBSPOT, USER = "HUBSPOT_DEFINED", "USER_DEFINED"
PRIMARY = "Primary"
Pair = tuple[str, str]
TypeKey = tuple[str, int]
"""Category and id: HubSpot's ids and those of a portal overlap."""

PLAIN = {
    ("contacts", "companies"): (279, 280),
    ("deals", "contacts"): (3, 4),
    ("deals", "companies"): (341, 342),
    ("contacts", "tickets"): (15, 16),
    ("companies", "tickets"): (340, 339),
    ("deals", "tickets"): (27, 28),
    ("deals", "line_items"): (19, 20),
    ("companies", "calls"): (181, 182),
    ("companies", "meetings"): (187, 188),
    ("companies", "notes"): (189, 190),
    ("companies", "tasks"): (191, 192),
    ("contacts", "calls"): (193, 194),
    ("contacts", "meetings"): (199, 200),
    ("contacts", "notes"): (201, 202),
    ("contacts", "tasks"): (203, 204),
    ("deals", "calls"): (205, 206),
    ("deals", "meetings"): (211, 212),
    ("deals", "notes"): (213, 214),
    ("deals", "tasks"): (215, 216),
    ("tickets", "calls"): (219, 220),
    ("tickets", "meetings"): (225, 226),
    ("tickets", "notes"): (227, 228),
    ("tickets", "tasks"): (229, 230),
    ("contacts", "contacts"): (449, 449),
    ("companies", "companies"): (450, 450),
    ("deals", "deals"): (451, 451),
    ("tickets", "tickets"): (452, 452),
}
"""Ids of the types without a label: of the pair as written, and of its other direction.

Source: HubSpot, Associations v4 guide (association type IDs), read 2026-11-29; the same ids are in
HubSpot's client (npm @hubspot/api-client 14.0.1, AssociationTypes).
"""
LABELLED = {
    ("contacts", "companies"): (1, 2),
    ("deals", "companies"): (5, 6),
    ("companies", "tickets"): (25, 26),
}
"""Ids of the types with the label Primary. Source: as above."""


@dataclass(frozen=True, slots=True)
class AssociationType:
    """A type of association in one direction."""

    category: str
    id: int
    label: str | None
    inverse: int
    """The id of the other direction."""

    @property
    def key(self) -> TypeKey:
        """What tells it from a portal's other types."""
        return self.category, self.id

    @property
    def body(self) -> dict[str, Any]:
        """As the labels API shows it.

        A type without a label has the label null, though the specification has only text.
        Source: recorded answers in public repositories, read 2026-11-29.
        """
        return {"category": self.category, "typeId": self.id, "label": self.label}


@dataclass(slots=True)
class AssociationTypes:
    """The association types of a portal."""

    pairs: dict[Pair, dict[TypeKey, AssociationType]] = field(default_factory=dict)
    next_id: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        for table, label in ((LABELLED, PRIMARY), (PLAIN, None)):
            for pair, ids in table.items():
                self._add(pair, HUBSPOT, ids, (label, label))

    def _add(
        self, pair: Pair, category: str, ids: tuple[int, int], labels: tuple[str | None, str | None]
    ) -> list[AssociationType]:
        there = AssociationType(category, ids[0], labels[0], ids[1])
        back = AssociationType(category, ids[1], labels[1], ids[0])
        self.pairs.setdefault(pair, {})[there.key] = there
        self.pairs.setdefault((pair[1], pair[0]), {})[back.key] = back
        return [there] if there == back else [there, back]

    def between(self, kind: str, to_kind: str) -> list[AssociationType]:
        """The types that lead from one object to another."""
        return list(self.pairs.get((kind, to_kind), {}).values())

    def plain(self, kind: str, to_kind: str) -> AssociationType | None:
        """The type without a label, which is the default."""
        return next((known for known in self.between(kind, to_kind) if known.label is None), None)

    def back(self, kind: str, to_kind: str, there: AssociationType) -> AssociationType:
        """The type of the other direction."""
        return self.pairs[to_kind, kind][there.category, there.inverse]

    def of(self, kind: str, to_kind: str, spec: dict[str, Any]) -> AssociationType:
        """The type that an association names. Raises: RefusedError."""
        key = (spec["associationCategory"], int(spec["associationTypeId"]))
        known = self.pairs.get((kind, to_kind), {}).get(key)
        if known is None:
            raise invalid_association(*key)
        return known

    def other_end(self, kind: str, spec: dict[str, Any]) -> str:
        """The object that a type leads to from this one. Raises: RefusedError."""
        key = (spec["associationCategory"], int(spec["associationTypeId"]))
        for (from_kind, to_kind), known in self.pairs.items():
            if from_kind == kind and key in known:
                return to_kind
        raise invalid_association(*key)

    def define(self, pair: Pair, label: str | None, inverse: str | None) -> list[AssociationType]:
        """A type of the portal's own, in both directions. Raises: RefusedError."""
        if any(known.label == label for known in self.between(*pair)):
            raise already_exists(f"An association type with the label {label} already exists.")
        number = next(self.next_id)
        symmetric = pair[0] == pair[1] and inverse is None
        ids = (number, number if symmetric else next(self.next_id))
        return self._add(pair, USER, ids, (label, inverse if inverse is not None else label))

    def add_object(self, name: str, others: list[str]) -> None:
        """The types of a new custom object: to activities always, to others as asked for.

        Source: HubSpot, Custom objects guide, read 2026-11-29.
        """
        for other in dict.fromkeys([*ACTIVITIES, *others]):
            self.define((name, other), None, None)
