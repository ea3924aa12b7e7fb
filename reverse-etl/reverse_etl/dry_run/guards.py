"""The guards that judge a plan before the first write: `max_creates` and `max_updates`.

Each object is judged by itself. A share is of the object's records: those that the ledger would
know after the run, or the planned writes where those are more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.errors import GuardError
from reverse_etl.pipeline.guard import Limit

GUARDED = {"max_creates": "created", "max_updates": "updated"}
"""The outcome that each guard limits."""
VERBS = {"max_creates": "create", "max_updates": "update"}


@dataclass(frozen=True, slots=True)
class Trip:
    """A guard that a plan goes beyond."""

    guard: str
    object: str
    number: int
    """The records that would be written."""
    allowed: int
    limit: Limit

    def report(self) -> dict[str, Any]:
        """The trip as a JSON object."""
        return {
            "guard": self.guard, "object": self.object, "number": self.number,
            "allowed": self.allowed, "limit": str(self.limit), "text": str(self),
        }  # fmt: skip

    def __str__(self) -> str:
        share = "" if self.limit.number is not None else f"{self.limit} of its records: "
        return (
            f"it would {VERBS[self.guard]} {self.number} {self.object}, "
            f"and {self.guard} allows {share}{self.allowed}"
        )


@dataclass(frozen=True, slots=True)
class PlanGuards:
    """The guards that are set, by setting."""

    limits: Mapping[str, Limit] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> PlanGuards:
        """The guards that the settings name. Raises: SettingError."""
        given = {name: config.get(name) for name in GUARDED}
        return cls(
            {
                name: Limit.parse(name, value)
                for name, value in given.items()
                if value not in (None, "")
            }
        )

    def __bool__(self) -> bool:
        return bool(self.limits)

    def trips(
        self, objects: Mapping[str, Mapping[str, Any]], records: Mapping[str, int]
    ) -> list[Trip]:
        """The guards that a plan goes beyond.

        `objects` are the counts of the report, `records` how many of an object the ledger
        would know.
        """
        trips: list[Trip] = []
        for name, counts in objects.items():
            whole = max(records.get(name, 0), counts["planned"])
            for guard, limit in self.limits.items():
                number, allowed = counts[GUARDED[guard]], limit.allowed(whole)
                if number > allowed:
                    trips.append(Trip(guard, name, number, allowed, limit))
        return trips


def tripped(trips: Sequence[Trip], hint: str) -> GuardError:
    """The error of a plan that goes beyond these guards."""
    what = "; ".join(map(str, trips))
    guards = " and ".join(dict.fromkeys(trip.guard for trip in trips))
    return GuardError(
        f"The plan goes beyond a guard: {what}. Nothing was written.",
        f"{hint}; if the plan is right, raise {guards} for this run.",
    )
