"""Counting what became of every planned write. Nothing else in the package counts.

The law, per object:
planned = created + updated + unchanged + skipped{…} + waiting + rejected + not_attempted.
Links: wanted = made + kept + waiting + dead.
Attachments: wanted = made + kept + dead + not_attempted.
After each block every planned write has its outcome, except those that are held back on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.errors import LawBrokenError
from reverse_etl.records import OUTCOMES, SKIPS

LINK_OUTCOMES = ("made", "kept", "waiting", "dead")
ATTACHMENT_OUTCOMES = ("made", "kept", "dead", "not_attempted")


@dataclass(slots=True)
class Count:
    """How many were planned, and what became of them."""

    _planned: int = 0
    _settled: Counter[str] = field(default_factory=Counter)

    def planned(self, number: int = 1) -> None:
        """These need an outcome."""
        self._planned += number

    def settled(self, outcome: str, number: int = 1) -> None:
        """This became of this many."""
        self._settled[outcome] += number

    def moved(self, outcome: str, to: str | None, number: int = 1) -> None:
        """What was settled is not final: it became `to` after all, or is open again (None)."""
        self._settled[outcome] -= number
        if to is not None:
            self._settled[to] += number

    def withdrawn(self, outcome: str, number: int = 1) -> None:
        """These were planned and settled; both are taken back, and they will be counted again."""
        self._planned -= number
        self._settled[outcome] -= number

    def of(self, outcome: str) -> int:
        """How many had this outcome."""
        return self._settled[outcome]

    @property
    def wanted(self) -> int:
        """How many were planned."""
        return self._planned

    @property
    def open(self) -> int:
        """How many have no outcome yet."""
        return self._planned - self._settled.total()

    def check(self, what: str, held: int = 0) -> None:
        """The law: only what is held back is open. Raises: LawBrokenError."""
        if self.open != held:
            raise LawBrokenError(
                f"{what}: planned {self._planned}, outcomes {dict(self._settled)}, "
                f"held back {held}.",
                "This is a bug: please report it.",
            )


@dataclass(slots=True)
class ObjectCount(Count):
    """The outcomes of one object's writes, and the work that they took."""

    _work: Counter[str] = field(default_factory=Counter)

    def worked(self, what: str, number: int = 1) -> None:
        """This many were looked up, read, sent, linked, …: see `least_calls`."""
        self._work[what] += number

    @property
    def work(self) -> Mapping[str, int]:
        """Rows by what was done to them."""
        return self._work

    def report(self) -> dict[str, Any]:
        """The counts as the run report shows them; `dead` is the former name of `rejected`."""
        return {
            "planned": self.wanted,
            "created": self.of("created"),
            "updated": self.of("updated"),
            "unchanged": self.of("unchanged"),
            "skipped": {skip: self.of(skip) for skip in SKIPS},
            "waiting": self.of("waiting"),
            "rejected": self.of("rejected"),
            "dead": self.of("rejected"),
            "not_attempted": self.of("not_attempted"),
            "fields_kept_back": self._work["kept_back"],
            "options_added": self._work["options_added"],
            "whereabouts": {name: self._work[name] for name in ("verified", "moved")},
        }


@dataclass(slots=True)
class Outcomes:
    """The counts of a run."""

    objects: dict[str, ObjectCount] = field(default_factory=dict)
    links: Count = field(default_factory=Count)
    attachments: Count = field(default_factory=Count)
    created_fields: dict[str, list[str]] = field(default_factory=dict)
    """Names of fields that were created in the CRM, by object."""
    created_links: dict[str, list[str]] = field(default_factory=dict)
    """Kinds of links that were created in the CRM, by object."""
    warned: set[str] = field(default_factory=set)
    """Warnings that are logged once a run."""
    _received: Counter[str] = field(default_factory=Counter)
    activated: Counter[str] = field(default_factory=Counter)
    """ACTIVATE_VERSION messages, by stream."""

    def received(self, stream: str) -> None:
        """A record of a stream came in."""
        self._received[stream] += 1

    def of(self, object_name: str) -> ObjectCount:
        """The counts of an object."""
        if object_name not in self.objects:
            self.objects[object_name] = ObjectCount()
        return self.objects[object_name]

    @property
    def seen(self) -> int:
        """How many writes were planned."""
        return sum(count.wanted for count in self.objects.values())

    @property
    def rejected(self) -> int:
        """How many writes were rejected."""
        return sum(count.of("rejected") for count in self.objects.values())

    @property
    def not_attempted(self) -> int:
        """How many writes were not attempted."""
        return sum(count.of("not_attempted") for count in self.objects.values())

    def never(self, object_name: str, outcome: str, number: int) -> None:
        """Writes that are planned and settled at once, since nothing can be tried."""
        self.of(object_name).planned(number)
        self.of(object_name).settled(outcome, number)

    def check(self, held: Mapping[str, int]) -> None:
        """The law, with the writes that are held back, by object. Raises: LawBrokenError."""
        for name, count in self.objects.items():
            count.check(name, held.get(name, 0))
        self.links.check("links")
        self.attachments.check("attachments")

    def abandon(self) -> None:
        """The run ends: whatever has no outcome yet was not attempted."""
        for count in (*self.objects.values(), self.attachments):
            count.settled("not_attempted", count.open)

    def received_by_stream(self) -> dict[str, int]:
        """Records received, by stream."""
        return dict(self._received)

    def link_report(self) -> dict[str, int]:
        """Links, as the run report shows them."""
        return {
            "wanted": self.links.wanted,
            **{name: self.links.of(name) for name in LINK_OUTCOMES},
        }

    def attachment_report(self) -> dict[str, int]:
        """Attachments, as the run report shows them."""
        counts = {name: self.attachments.of(name) for name in ATTACHMENT_OUTCOMES}
        return {"wanted": self.attachments.wanted, **counts}

    def rows(self) -> dict[tuple[str, str], int]:
        """Writes by object and outcome, for the ledger's `outcome` table."""
        return {
            (name, outcome): count.of(outcome)
            for name, count in self.objects.items()
            for outcome in OUTCOMES
        }
