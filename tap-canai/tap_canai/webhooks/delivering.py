"""Starts a command when events wait: one at a time, a moment after the first came, again after a pause where it failed.

What waits is judged by sequences, not by requests: events that come while the command runs, or that another receiver of
the same inbox wrote, start it once more. Nothing is lost when it fails, since the stream's own state says what was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import shlex
import signal
from collections import Counter
from dataclasses import dataclass, field

from tap_canai.webhooks.inbox import Inbox, InboxError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
LOOK_S = 1.0
"""How often the inbox is asked what other processes wrote."""


@dataclass
class Deliverer:
    """One command over one inbox."""

    inbox: Inbox
    command: str
    debounce_s: float = 0.2
    """How long events that follow the first are waited for."""
    stop_s: float = 30.0
    """Seconds that a run is given to end after SIGTERM."""
    longest_s: float = 3600.0
    """Seconds after which a run is taken to hang, and is asked to end."""
    runs: Counter[str] = field(default_factory=Counter)
    waiting: bool = False
    """Whether events wait for a delivery that succeeds."""
    _done: int = 0
    """Events up to this sequence were there when a run began that succeeded."""
    _stopping: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def came(self) -> None:
        """An event came."""
        self._woken.set()

    def stop(self) -> None:
        """No new run; the one at work is asked to end."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver until told to stop."""
        self._done = await asyncio.to_thread(self._delivered)
        failures = 0
        while not self._stopping:
            last = await asyncio.to_thread(self._last)
            self.waiting = last > self._done
            if not self.waiting:
                await self._sleep(LOOK_S)
                continue
            await asyncio.sleep(self.debounce_s)
            last = await asyncio.to_thread(self._last)
            if await self._succeeds():
                self._done, failures = last, 0
                continue
            failures += 1
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1)) * (
                0.75 + random.random() / 4
            )
            if not self._stopping:
                logger.error(
                    "delivery failed", extra={"failures": failures, "next_try_s": round(pause_s, 1)}
                )
                await self._pause(pause_s)

    def _delivered(self) -> int:
        """Where the reader that is furthest behind stands; 0 where nobody has read yet."""
        with contextlib.suppress(InboxError):
            return self.inbox.delivered() or 0
        return 0

    def _last(self) -> int:
        with contextlib.suppress(InboxError):
            return self.inbox.last()
        return self._done

    async def _sleep(self, seconds: float) -> None:
        """Until an event comes, or the time is up."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _pause(self, seconds: float) -> None:
        """The whole time, whatever comes, unless it is time to stop."""
        end = asyncio.get_running_loop().time() + seconds
        while not self._stopping and (left := end - asyncio.get_running_loop().time()) > 0:
            await self._sleep(min(left, LOOK_S))

    async def _succeeds(self) -> bool:
        """Run the command once."""
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self.command), start_new_session=True
            )
        except OSError as error:
            self.runs["not started"] += 1
            logger.error("the delivery command cannot be started", extra={"reason": error.strerror})
            return False
        ended = asyncio.create_task(process.wait())
        began, stopped_at = asyncio.get_running_loop().time(), 0.0
        while not ended.done():
            await asyncio.wait({ended}, timeout=0.1)
            now = asyncio.get_running_loop().time()
            hangs = now - began > self.longest_s
            if (self._stopping or hangs) and not ended.done():
                if not stopped_at:
                    if hangs:
                        logger.error(
                            "the delivery command hangs", extra={"seconds": round(now - began)}
                        )
                    stopped_at = now
                    self._signal(process.pid, signal.SIGTERM)
                elif now - stopped_at > self.stop_s:
                    self._signal(process.pid, signal.SIGKILL)
        code = ended.result() or (1 if stopped_at and not self._stopping else 0)
        self.runs["succeeded" if code == 0 else "failed"] += 1
        if code:
            logger.error("the delivery command failed", extra={"exit_code": code})
        return code == 0

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
