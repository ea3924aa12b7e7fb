"""How much a sender may send."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_SENDERS = 10_000
"""Senders that are remembered; the one not seen for longest is forgotten first."""
BURST_S = 10.0
"""Seconds' worth of events that a sender may send at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request and its sender may take."""

    body_bytes: int = 1024 * 1024
    body_s: float = 10.0
    """Seconds in which a body has to arrive."""
    sender_per_second: float = 1000.0
    """Events per second per sender."""


@dataclass(slots=True)
class Allowance:
    """N per second per sender, and BURST_S times as many at once."""

    per_second: float
    monotonic: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """By sender: what was left, and when."""

    def left(self, sender: str) -> float:
        """What a sender may send at this moment."""
        most = self.per_second * BURST_S
        left, at = self._left.get(sender, (most, 0.0))
        return min(most, left + (self.monotonic() - at) * self.per_second)

    def take(self, sender: str) -> bool:
        """Count one event. Returns False if the sender has none left."""
        left = self.left(sender)
        if left < 1:
            return False
        self._left[sender] = (left - 1, self.monotonic())
        self._left.move_to_end(sender)
        if len(self._left) > MOST_SENDERS:
            self._left.popitem(last=False)
        return True

    def wait_s(self, sender: str) -> int:
        """Whole seconds until a sender may send again."""
        return max(1, round((1 - self.left(sender)) / self.per_second + 0.5))
