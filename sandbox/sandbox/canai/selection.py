"""What an export asks for: the record sets and fields, the rows, and their anonymity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.canai.errors import RefusedError
from sandbox.canai.fields import (
    ALIASES,
    EXPORT_TYPES,
    PERSONAL,
    RECORD_SETS,
    REPLICATION_KEYS,
)
from sandbox.canai.users import Row, stable_uuid
from sandbox.clock import parse_iso

FILTERS = {
    "user_ids": "user_id",
    "subscription_tiers": "subscription_tier",
    "journey_stages": "current_journey_stage",
    "product_tracks": "preferred_product_track",
}
"""Fields of users by the filters that compare them."""

Columns = list[tuple[str, str]]
"""Pairs of the name asked for and the field it means."""


def selection(export_type: str, wanted: list[str]) -> dict[str, Columns]:
    """The columns of each record set.

    Raises: RefusedError naming unknown fields.
    """
    chosen: dict[str, Columns] = {}
    unknown: list[str] = []
    for name in wanted:
        fields = resolve(export_type, name)
        if not fields:
            unknown.append(name)
        for record_set, asked, field in fields:
            chosen.setdefault(record_set, []).append((asked, field))

    if unknown:
        message = f"Unknown fields: {', '.join(unknown)}"
        raise RefusedError(message, {"unknown_fields": unknown}, code="unknown_fields")
    return chosen


def resolve(export_type: str, name: str) -> list[tuple[str, str, str]]:
    """Record set, name and field of what an entry of `data_fields` stands for.

    Empty if the entry is unknown.
    """
    sets = EXPORT_TYPES[export_type]
    if name == "all":
        return [(record_set, *column) for record_set in sets for column in every(record_set)]

    prefix, dot, rest = name.partition(".")
    if dot and prefix in sets:
        sets, name = (prefix,), rest
    elif len(sets) > 1:
        # Which record set a bare name means is open where the export has several.
        return []

    record_set = sets[0]
    if name == "*":
        return [(record_set, *column) for column in every(record_set)]
    field = name if name in RECORD_SETS[record_set] else ALIASES.get(name, "")
    return [(record_set, name, field)] if field in RECORD_SETS[record_set] else []


def every(record_set: str) -> Columns:
    """All columns of a record set, under their own names."""
    return [(name, name) for name in RECORD_SETS[record_set]]


def date_range(wanted: Any) -> tuple[datetime | None, datetime | None]:
    """`[start, end)`, open where there is no range.

    Raises: RefusedError.
    """
    if wanted is None:
        return None, None

    try:
        start, end = parse_iso(wanted["start"]), parse_iso(wanted["end"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        message = "date_range needs start and end in ISO 8601."
        raise RefusedError(message, code="bad_range") from error
    if end < start:
        raise RefusedError("date_range ends before it starts.", code="bad_range")
    return start, end


def user_filter(users: dict[str, Row], wanted: dict[str, Any] | None) -> Callable[[Row], bool]:
    """A test that a row passes if its user passes the filters.

    Raises: RefusedError.
    """
    filters = wanted or {}
    unknown = sorted(set(filters) - set(FILTERS))
    if unknown:
        message = f"Unknown filters: {', '.join(unknown)}"
        raise RefusedError(message, {"unknown_filters": unknown})
    tests = [(FILTERS[name], set(values)) for name, values in filters.items()]

    def passes(row: Row) -> bool:
        if not tests:
            return True
        user = users.get(row.get("user_id", ""))
        return user is not None and all(user[field] in values for field, values in tests)

    return passes


@dataclass(slots=True)
class Selection:
    """The rows of an export: inside a window, seen by now, of users that pass the filters."""

    start: datetime | None
    end: datetime | None
    now: datetime
    passes: Callable[[Row], bool]
    anonymous: bool

    def takes(self, record_set: str, row: Row) -> bool:
        """Returns True if the export holds the row."""
        moment = parse_iso(row[REPLICATION_KEYS[record_set]])
        if self.start and moment < self.start:
            return False
        if (self.end and moment >= self.end) or moment > self.now:
            return False
        return self.passes(row)

    def shown(self, row: Row, columns: Columns) -> Row:
        """A row with the columns asked for."""
        values = {asked: row[field] for asked, field in columns}
        return anonymised(values) if self.anonymous else values

    def names(self, columns: Columns) -> list[str]:
        """The names of the columns that are shown."""
        return [asked for asked, _ in columns if not (self.anonymous and asked in PERSONAL)]


def anonymised(row: Row) -> Row:
    """A row without what is personal; the user id becomes a stable pseudonym."""
    kept = {name: value for name, value in row.items() if name not in PERSONAL}
    if "user_id" in kept:
        kept["user_id"] = "anon_" + stable_uuid("anonymous", kept["user_id"])
    return kept
