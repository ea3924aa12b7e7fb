"""How many calls an account may make, and when the next one fits."""

from __future__ import annotations

from collections import deque


class Pace:
    """At most `calls` per `per_s` seconds in a rolling window of real time, and `daily` in all."""

    def __init__(self, calls: int | None, per_s: float, daily: int | None = None) -> None:
        self.calls, self.per_s, self.daily = calls, per_s, daily
        self._recent: deque[float] = deque()
        self.used_today = 0

    def wait_s(self, now: float) -> float:
        """Seconds until the next call fits; 0.0 if this call fits, which is then counted."""
        while self._recent and self._recent[0] <= now - self.per_s:
            self._recent.popleft()

        if self.calls is not None and len(self._recent) >= self.calls:
            return self._recent[0] + self.per_s - now

        self._recent.append(now)
        self.used_today += 1
        return 0.0

    @property
    def remaining(self) -> int:
        """Calls left in the present window."""
        return max(0, (self.calls or 0) - len(self._recent))

    @property
    def left_today(self) -> int:
        """Calls left of the day; there has to be a daily limit."""
        return max(0, (self.daily or 0) - self.used_today)

    @property
    def spent(self) -> bool:
        """Returns True if the daily limit is used up."""
        return self.daily is not None and self.used_today >= self.daily
