"""The signal to stop and the budget of calls, in one object that the stages ask.

A stage asks `may_call()` before it starts something that needs the CRM. A budget that is spent ends
the calls, not the run: the rest of the input is read and counted as not attempted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

from reverse_etl.errors import BudgetSpentError, GuardError, StoppedError

logger = logging.getLogger(__name__)

SLICE_S = 0.1
"""The longest that a sleeping thread does not notice a signal."""


@dataclass(slots=True)
class RunControl:
    """The state of one run, shared by all of its stages and threads."""

    stopping: threading.Event = field(default_factory=threading.Event)
    """Set once a signal has asked the run to end. Nothing waits on it: see `wait`."""
    signal_number: int = 0
    spent: str = ""
    """Why no further calls are made; empty as long as the budget lasts."""
    tripped: GuardError | None = None
    """The guard that ends the run once everything in flight has settled."""
    busy: bool = False
    """True while a block is in flight, which a signal lets settle."""

    def may_call(self) -> bool:
        """Returns True unless a signal, a spent budget or a guard forbids new calls."""
        return not self.spent and self.tripped is None and not self.stopping.is_set()

    def stop(self, signal_number: int) -> None:
        """Ask the run to end once everything in flight has settled."""
        self.signal_number = signal_number
        self.stopping.set()

    def trip(self, error: GuardError) -> None:
        """A guard ends the run once everything in flight has settled."""
        self.tripped = error

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up soon after the run is asked to stop.

        It sleeps in slices: the lock of an event that is waited for is held for moments, and a
        signal's handler that needs it in that very thread would never get it.
        """
        slices = ceil(seconds / SLICE_S)
        for _ in range(slices):
            if self.stopping.is_set():
                return
            time.sleep(seconds / slices)

    def sleep(self, seconds: float) -> None:
        """Sleep before another call to the CRM. Raises: StoppedError, as soon as it is asked to."""
        self.wait(seconds)
        self.check_signal()

    def check_signal(self) -> None:
        """Raises: StoppedError if a signal has asked the run to end."""
        if self.stopping.is_set():
            raise StoppedError(self.signal_number)

    def check(self) -> None:
        """Raises: StoppedError if a signal has asked the run to end, GuardError if a guard has."""
        self.check_signal()
        if self.tripped is not None:
            raise self.tripped

    def spend(self, reason: str) -> None:
        """Record that the budget is spent, and say so the first time."""
        if not self.spent:
            self.spent = reason
            logger.warning("%s The remaining records are counted as not attempted.", reason)

    @contextmanager
    def within_budget(self) -> Iterator[None]:
        """Run a piece of work that is left undone when the budget runs out, or a signal comes.

        Other errors pass.
        """
        try:
            yield
        except BudgetSpentError as error:
            self.spend(str(error))
        except StoppedError:
            if not self.stopping.is_set():  # nothing was in flight: the run ends here
                raise

    @contextmanager
    def working(self, is_settled: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold a signal back until the block in flight has settled.

        If `is_settled` says then that nothing of the block is left, a signal is held back further:
        the next check finds it.

        Raises: StoppedError, GuardError at the end.
        """
        self.busy = True
        try:
            yield
        finally:
            self.busy = False
        if self.tripped is not None or not is_settled():
            self.check()
