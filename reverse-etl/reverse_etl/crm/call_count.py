"""Calls made, and how many the user allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reverse_etl.errors import BudgetSpentError


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

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_purpose.values())

    def add(self, object_name: str, purpose: str) -> None:
        """Count one call.

        Raises: BudgetSpentError instead of one beyond the limit, StoppedError after a signal.
        """
        self.check()
        if self.limit is not None and self.total + self.planning >= self.limit:
            raise BudgetSpentError(
                f"The {self.limit} calls of max_api_calls are used up.", "Run again, or raise it."
            )
        key = (object_name, purpose)
        self.by_purpose[key] = self.by_purpose.get(key, 0) + 1
