"""Calls made, and how many the user and the CRM allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reverse_etl.errors import BudgetSpentError


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What the headers of a response say of the account's limits; None where they say nothing."""

    daily: int | None = None
    """The daily limit of calls, or of what the CRM counts instead, such as tokens."""
    daily_left: int | None = None
    per_s: float | None = None
    """Calls per second."""


def whole_number(headers: Mapping[str, str], name: str) -> int | None:
    """The whole number in a header; None if it is absent or something else."""
    text = headers.get(name, "")
    return int(text) if text.isdecimal() else None


@dataclass(slots=True)
class CallCount:
    """Calls made, by object and purpose: `find`, `read`, `write`, `link`, or `setup`."""

    by_purpose: dict[tuple[str, str], int] = field(default_factory=dict)
    limit: int | None = None
    """Calls that the user allows for a run."""
    check: Callable[[], None] = lambda: None
    """Called before each call. Raises: StoppedError once the run has to end."""
    planning: int = 0
    """Calls that the plan of a guarded run has taken: `limit` holds for both."""
    cost: int = 0
    """What the calls cost in the CRM's own unit, where it has one."""
    reserve: Callable[[int], int] | None = None
    """How much of a day the user keeps free for other apps."""
    limits: CallLimits = field(default_factory=CallLimits)
    """What the CRM said last."""

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_purpose.values())

    @property
    def knows_day(self) -> bool:
        """True once the CRM has said how much of the day is left."""
        return self.limits.daily is not None and self.limits.daily_left is not None

    def learn(self, said: CallLimits) -> None:
        """Take what a response says of the limits."""
        known = self.limits
        day = known if said.daily_left is None else said
        self.limits = CallLimits(day.daily, day.daily_left, said.per_s or known.per_s)

    def add(self, object_name: str, purpose: str) -> None:
        """Count one call.

        Raises: BudgetSpentError instead of one beyond a limit, StoppedError after a signal.
        """
        self.check()
        if self.limit is not None and self.total + self.planning >= self.limit:
            raise BudgetSpentError(
                f"The {self.limit} calls of max_api_calls are used up.", "Run again, or raise it."
            )
        self._check_reserve()
        key = (object_name, purpose)
        self.by_purpose[key] = self.by_purpose.get(key, 0) + 1

    def _check_reserve(self) -> None:
        """Raises: BudgetSpentError if no more of the day is left than the user keeps free."""
        daily, left = self.limits.daily, self.limits.daily_left
        if self.reserve is None or daily is None or left is None:
            return
        kept = self.reserve(daily)
        if left <= kept:
            raise BudgetSpentError(
                f"{left} of the CRM's {daily} calls of a day are left, and keep_calls_free keeps "
                f"{kept} for other apps.",
                "Run again when more are left, or lower it.",
            )
