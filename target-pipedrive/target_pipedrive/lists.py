"""Fields that hold several entries, such as a person's emails. Ours is the primary entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reverse_etl.values import Value

DEFAULT_LABEL = "work"

Entry = Mapping[str, Any]


def values_of(entries: Sequence[Entry]) -> list[str]:
    """The values of all entries."""
    return [str(entry["value"]) for entry in entries if entry.get("value")]


def primary(entries: Sequence[Entry]) -> Value:
    """The value of the primary entry, else of the first; None if there is none."""
    if not entries:
        return None
    chosen = next((entry for entry in entries if entry.get("primary")), entries[0])
    return chosen.get("value") or None


def with_primary(value: Value, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The entries with `value` as the primary one; with None, there is no primary entry.

    The other entries stay: a PATCH replaces the whole list.
    """
    ours: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for entry in entries:
        is_ours = str(entry.get("value", "")).casefold() == str(value or "").casefold()
        (ours if is_ours else others).append({**entry, "primary": False})
    if value is None:
        return others

    label = (ours[0].get("label") if ours else None) or DEFAULT_LABEL
    return [{"value": value, "primary": True, "label": label}, *others]
