"""Writes events to the inbox: one commit for all that came while the last one was made.

A durable commit waits for the disk, however many events it holds.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from dataclasses import dataclass, field

from tap_canai.webhooks.events import Event
from tap_canai.webhooks.inbox import Inbox, InboxError

logger = logging.getLogger(__name__)

MOST_EVENTS = 1000
"""Events per commit."""
MOST_BYTES = 64 * 1024 * 1024
"""Bodies of events that may wait for their commit; further events are refused."""


class FullError(Exception):
    """More events wait than memory is reserved for."""


@dataclass(slots=True)
class PendingEvent:
    """An event whose sender waits for the commit."""

    event: Event
    committed: asyncio.Future[None]


@dataclass
class Writer:
    """Commits events from a thread of its own."""

    inbox: Inbox
    loop: asyncio.AbstractEventLoop
    new: int = 0
    """Events that were written."""
    again: int = 0
    """Events that were in the inbox already."""
    commits: int = 0
    commit_s: float = 0.0
    failing: bool = False
    """True if the last commit failed."""
    _pending_bytes: int = 0
    _queue: queue.SimpleQueue[PendingEvent | None] = field(default_factory=queue.SimpleQueue)
    """Events to write; None for the end."""
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    async def write(self, event: Event, size: int) -> None:
        """Returns once the event is committed. Raises: FullError, InboxError."""
        if self._pending_bytes + size > MOST_BYTES:
            raise FullError
        self._pending_bytes += size
        pending = PendingEvent(event, self.loop.create_future())
        self._queue.put(pending)
        try:
            await pending.committed
        finally:
            self._pending_bytes -= size

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._next_batch()
            if batch:
                self._commit(batch)

    def _next_batch(self) -> tuple[list[PendingEvent], bool]:
        """All events that wait, at least one unless it is time to end; and whether it is."""
        batch: list[PendingEvent] = []
        is_last = False
        while True:
            pending = self._queue.get()
            if pending is None:
                is_last = True
            else:
                batch.append(pending)
            if self._queue.empty() or len(batch) >= MOST_EVENTS:
                return batch, is_last

    def _commit(self, batch: list[PendingEvent]) -> None:
        began = time.monotonic()
        error: InboxError | None = None
        try:
            new = self.inbox.add([pending.event for pending in batch])
            self.new += new
            self.again += len(batch) - new
        except InboxError as failure:
            error = failure
            logger.error("%s", failure)
        self.failing = error is not None
        self.commits += 1
        self.commit_s += time.monotonic() - began
        self.loop.call_soon_threadsafe(answer, batch, error)


def answer(batch: list[PendingEvent], error: InboxError | None) -> None:
    """Let the senders of a batch go on, after its commit or its error."""
    for pending in batch:
        if pending.committed.done():  # its sender has left
            continue
        if error is None:
            pending.committed.set_result(None)
        else:
            pending.committed.set_exception(error)
