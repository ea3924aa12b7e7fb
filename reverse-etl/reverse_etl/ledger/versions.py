"""Versions of a record that could not be delivered yet, and what of them is worth keeping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Version:
    """A source record as it was seen at one time."""

    key: str
    """The source's primary key."""
    observed_us: int
    record: Mapping[str, Any]

    def packed(self) -> list[Any]:
        """The version as a JSON column keeps it."""
        return [self.key, self.observed_us, dict(self.record)]

    @classmethod
    def unpacked(cls, rows: Iterable[Sequence[Any]]) -> tuple[Version, ...]:
        """The versions in a JSON column."""
        return tuple(cls(key, observed_us, record) for key, observed_us, record in rows)


def worth_keeping(versions: Iterable[Version]) -> list[Version]:
    """The newest version, and the older ones that say what no newer one does; oldest first.

    A version says something where it has a value. So there are at most as many as properties.
    """
    distinct = {(version.key, version.observed_us): version for version in versions}
    kept: list[Version] = []
    said: set[str] = set()
    ordered = sorted(distinct.values(), key=lambda version: version.observed_us)
    for version in reversed(ordered):
        says = {name for name, value in version.record.items() if value is not None}
        if not kept or says - said:
            kept.append(version)
            said |= says
    return kept[::-1]
