"""The time that a run has to end after a signal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

STOP_GRACE_S = 20.0
"""Default of the setting `stop_grace_s`."""


@dataclass(slots=True)
class Grace:
    """Ends the run beside whatever it waits for, unless it has ended by itself before."""

    cut_short: Callable[[int, float], None]
    """Takes the signal and the seconds that it was waited for; does not return."""
    _timer: threading.Timer | None = field(default=None)

    def begin(self, signal_number: int, seconds: float) -> None:
        """The time begins with the first signal."""
        if self._timer is None:
            self._timer = threading.Timer(seconds, self.cut_short, [signal_number, seconds])
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """The run has ended by itself."""
        if self._timer is not None:
            self._timer.cancel()
