"""One commit for all events that came while the last one was made: durable commits are slow, and wait for the disk anyway."""

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
"""Events of a commit."""
MOST_BYTES = 64 * 1024 * 1024
"""Bodies of events that wait for their commit, before no more are taken."""


class FullError(Exception):
    """More events wait than memory is given for."""


@dataclass(slots=True)
class Waiting:
    """An event whose sender waits for the commit."""

    event: Event
    size: int
    done: asyncio.Future[None]


@dataclass
class Writer:
    """Commits events from a thread of its own."""

    inbox: Inbox
    loop: asyncio.AbstractEventLoop
    new: int = 0
    """Events that were written."""
    again: int = 0
    """Events that were there already."""
    commits: int = 0
    commit_s: float = 0.0
    failing: bool = False
    """Whether the last commit failed."""
    _waiting_bytes: int = 0
    _queue: queue.SimpleQueue[Waiting | None] = field(default_factory=queue.SimpleQueue)
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
        if self._waiting_bytes + size > MOST_BYTES:
            raise FullError
        self._waiting_bytes += size
        waiting = Waiting(event, size, self.loop.create_future())
        self._queue.put(waiting)
        try:
            await waiting.done
        finally:
            self._waiting_bytes -= size

    def _run(self) -> None:
        ending = False
        while not ending:
            one = self._queue.get()
            batch: list[Waiting] = []
            while True:
                if one is None:
                    ending = True
                else:
                    batch.append(one)
                if self._queue.empty() or len(batch) >= MOST_EVENTS:
                    break
                one = self._queue.get()
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[Waiting]) -> None:
        began = time.monotonic()
        error: InboxError | None = None
        try:
            new = self.inbox.add([one.event for one in batch])
            self.new += new
            self.again += len(batch) - new
        except InboxError as failed:
            error = failed
            logger.error("%s", failed)
        self.failing = error is not None
        self.commits += 1
        self.commit_s += time.monotonic() - began
        self.loop.call_soon_threadsafe(self._tell, batch, error)

    @staticmethod
    def _tell(batch: list[Waiting], error: InboxError | None) -> None:
        for one in batch:
            if one.done.done():
                continue
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)
