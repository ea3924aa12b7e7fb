"""The sandbox's clock: it starts at a fixed moment, runs at real speed, and can be moved."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

CLOCK_START = datetime(2026, 1, 31, tzinfo=UTC)


class Clock:
    """Sandbox time, in UTC."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.reset()

    def reset(self) -> None:
        """Go back to the start."""
        self._began = self._monotonic()
        self._moved = timedelta()

    def now(self) -> datetime:
        """The present moment of the sandbox."""
        return CLOCK_START + timedelta(seconds=self._monotonic() - self._began) + self._moved

    def advance(self, seconds: float) -> None:
        """Move the clock by this many seconds."""
        self._moved += timedelta(seconds=seconds)

    def http_date(self) -> str:
        """The present moment as a `Date` header."""
        return format_datetime(self.now(), usegmt=True)


def iso(moment: datetime, digits: int = 6) -> str:
    """A UTC timestamp with `Z` and 6 (micro) or 3 (milli) digits of a second."""
    # not strftime, whose year has fewer than four digits before the year 1000
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text[: len(text) - (6 - digits)] + "Z"


def parse_iso(text: str) -> datetime:
    """An ISO 8601 timestamp in UTC, which is also assumed if the text has no offset.

    Raises: ValueError.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
