"""Fields that hold several entries, such as a person's emails. Ours is the primary entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reverse_etl.hashes import hash_value
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


def with_primary(
    value: Value, entries: Sequence[Entry], replaces: bytes | None = None
) -> list[dict[str, Any]]:
    """The entries with `value` as the primary one; with None, there is no primary entry.

    It replaces the entry that was ours until now, if its hash is known. What people added stays: a
    PATCH replaces the whole list.
    """
    ours: list[dict[str, Any]] = []
    former: list[Entry] = []
    others: list[dict[str, Any]] = []
    for entry in entries:
        text = str(entry.get("value", ""))
        if text.casefold() == str(value or "").casefold():
            ours.append({**entry, "primary": False})
        elif hash_value(text) == replaces:
            former.append(entry)
        else:
            others.append({**entry, "primary": False})
    if value is None:
        return others

    known = [entry["label"] for entry in (*ours, *former) if entry.get("label")]
    label = known[0] if known else DEFAULT_LABEL
    return [{"value": value, "primary": True, "label": label}, *others]
