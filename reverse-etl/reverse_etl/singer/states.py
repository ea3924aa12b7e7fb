"""Stage 8, acknowledge: a STATE goes out once every record before it is settled."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import IO, Any


@dataclass(slots=True)
class StateQueue:
    """STATE messages with the number of records that came before each."""

    is_open: bool = True
    """False in a dry run, which delivers nothing: no STATE goes out."""
    position: int = 0
    """Records read so far."""
    _queued: deque[tuple[int, Any]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """A run that is cut short writes STATE from a thread of its own."""

    @property
    def waiting(self) -> bool:
        """True if a STATE is queued."""
        return bool(self._queued)

    def add(self, value: Any) -> None:
        """Queue a STATE behind the records read so far; it never forces a drain."""
        if self.is_open:
            self._queued.append((self.position, value))

    def release(self, first_pending: int | None, out: IO[str]) -> None:
        """Write the newest STATE before which every record is settled.

        `first_pending` is the position of the first record that is not; None if all are.
        """
        limit = self.position + 1 if first_pending is None else first_pending
        newest: list[Any] = []
        with self._lock:
            while self._queued and self._queued[0][0] < limit:
                newest = [self._queued.popleft()[1]]
            if newest:
                out.write(json.dumps(newest[0]) + "\n")
                out.flush()
