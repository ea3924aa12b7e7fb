"""Counting fates, and the law that must hold after every block.

Per object: planned = created + updated + unchanged + skipped{…} + waiting + dead + not_attempted.
Links apart: wanted = made + kept + waiting + dead. Attachments apart: wanted = made + kept + dead + not_attempted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.errors import ReverseEtlError
from reverse_etl.objects import ObjectSpec
from reverse_etl.records import SKIPS, FateName

OUTCOMES: tuple[FateName, ...] = (
    "created",
    "updated",
    "unchanged",
    *SKIPS,
    "waiting",
    "dead",
    "not_attempted",
)


class LawBrokenError(ReverseEtlError):
    """A planned write has no fate, or two: a bug in this package."""


@dataclass(slots=True)
class ObjectTally:
    """Counts of one object."""

    planned: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    fields_kept_back: int = 0
    looked_up: int = 0
    matched: int = 0
    """Of those looked up, how many were not there by key and had match values to try."""
    read: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    """Rows sent, by kind of write."""
    linked: int = 0
    attached: int = 0
    spooled: int = 0
    """Writes that are planned and have no fate yet."""

    def report(self) -> dict[str, Any]:
        """As the run report shows it."""
        return {
            "planned": self.planned,
            "created": self.fates["created"],
            "updated": self.fates["updated"],
            "unchanged": self.fates["unchanged"],
            "skipped": {name: self.fates[name] for name in SKIPS},
            "waiting": self.fates["waiting"],
            "dead": self.fates["dead"],
            "not_attempted": self.fates["not_attempted"],
            "fields_kept_back": self.fields_kept_back,
        }

    def least_calls(self, spec: ObjectSpec) -> int:
        """Calls that the least would have taken for what was looked up, sent, linked and attached."""
        calls = math.ceil(self.looked_up / spec.find_rows_a_call) * spec.find_calls
        if spec.find_job and self.looked_up >= spec.find_job[0]:
            calls = min(calls, spec.find_job[1])
        calls += math.ceil(self.read / spec.find_rows_a_call)
        if spec.finds_match_apart:
            calls += math.ceil(self.matched / spec.find_rows_a_call)
        for rows in self.sent.values():
            reached = [one for one in spec.lanes if one.rows_from <= rows]
            lane = max(reached, key=lambda one: (one.rows_from, one.job), default=spec.lanes[0])
            calls += math.ceil(rows / lane.rows_a_call) * lane.calls
        link_rows = max((form.rows_a_call for form in spec.links.values()), default=1)
        calls += math.ceil(self.linked / link_rows)
        return calls + sum(math.ceil(self.attached / rows) for rows in spec.file_rows)


@dataclass(slots=True)
class Tally:
    """Counts of a run."""

    received: Counter[str] = field(default_factory=Counter)
    """Records by stream."""
    objects: dict[str, ObjectTally] = field(default_factory=dict)
    links: Counter[str] = field(default_factory=Counter)
    attachments: Counter[str] = field(default_factory=Counter)

    def of(self, object_name: str) -> ObjectTally:
        """The counts of an object."""
        return self.objects.setdefault(object_name, ObjectTally())

    def check(self) -> None:
        """The law. Raises: LawBrokenError."""
        for name, one in self.objects.items():
            if one.planned != sum(one.fates.values()) + one.spooled:
                raise LawBrokenError(
                    f"{name}: planned {one.planned}, but fates are {dict(one.fates)}, spooled {one.spooled}; please report this bug."
                )
        attached = sum(self.attachments[name] for name in ("made", "kept", "dead", "not_attempted"))
        if self.attachments["wanted"] != attached:
            raise LawBrokenError(
                f"attachments: fates are {dict(self.attachments)}; please report this bug."
            )
        wanted = self.links["wanted"]
        found = sum(self.links[name] for name in ("made", "kept", "waiting", "dead"))
        if wanted != found:
            raise LawBrokenError(
                f"links: wanted {wanted}, but fates are {dict(self.links)}; please report this bug."
            )

    def link_report(self) -> dict[str, int]:
        """As the run report shows links."""
        return {name: self.links[name] for name in ("wanted", "made", "kept", "waiting", "dead")}

    def attachment_report(self) -> dict[str, int]:
        """As the run report shows attachments."""
        return {
            name: self.attachments[name]
            for name in ("wanted", "made", "kept", "dead", "not_attempted")
        }

    def outcomes(self) -> Mapping[tuple[str, str], int]:
        """Rows by object and outcome, for the ledger's `outcome` table."""
        return {
            (name, outcome): one.fates[outcome]
            for name, one in self.objects.items()
            for outcome in OUTCOMES
        }
