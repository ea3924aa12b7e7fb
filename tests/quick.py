"""A faked sleep: in a test's own process the product waits a fiftieth of the time.

Only the product's modules are quick; tests, and third-party packages, sleep as long as they
ask to. A constructor argument that defaults to `time.sleep` is bound when its module is imported,
so this module comes before the product. A test that is about real time asks for `real_sleep`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

QUICKER = 50
PRODUCT = ("reverse_etl", "singer_kit", "tap_canai", "target_", "canai_rules")


class Sleep:
    """What `time.sleep` is in the tests."""

    def __init__(self) -> None:
        self.quicker = QUICKER
        self.moves: Callable[[float], None] | None = None
        """A clock that moves on by the time that the product asked to sleep."""
        self.really = time.sleep

    def __call__(self, seconds: float) -> None:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if not caller.startswith(PRODUCT):
            self.really(seconds)
            return
        self.really(seconds / self.quicker)
        if self.moves is not None:
            self.moves(seconds)


SLEEP = Sleep()
time.sleep = SLEEP  # type: ignore[assignment]  # callable, though not a function
