"""Starts a command while events wait: a moment after the first came, and one run at a time.

What waits is judged by sequences, not by requests: events that come while the command runs, or that
another receiver of the same inbox wrote, start it again. Nothing is lost when it fails, since the
stream's own state says what was read.
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
CHECK_S = 0.1
"""How often a run is looked at."""


@dataclass
class Deliverer:
    """A command over an inbox."""

    inbox: Inbox
    command: str
    debounce_s: float = 0.2
    """How long events that follow the first are waited for."""
    stop_s: float = 30.0
    """Seconds that a run has to end after SIGTERM."""
    longest_s: float = 3600.0
    """Seconds after which a run is taken to hang, and is asked to end."""
    runs: Counter[str] = field(default_factory=Counter)
    """Runs by how they ended."""
    waiting: bool = False
    """True if events wait for a delivery that succeeds."""
    _done: int = 0
    """Events up to this sequence existed when a run began that succeeded."""
    _stopping: bool = False
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Look now: an event came."""
        self._woken.set()

    def stop(self) -> None:
        """Start no further run, and ask the one at work to end."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        self._done = await asyncio.to_thread(self._delivered)
        failures = 0
        while not self._stopping:
            self.waiting = await asyncio.to_thread(self._last) > self._done
            if not self.waiting:
                await self._sleep(LOOK_S)
                continue
            await asyncio.sleep(self.debounce_s)
            last = await asyncio.to_thread(self._last)
            if await self._succeeds():
                self._done, failures = last, 0
                continue
            failures += 1
            if not self._stopping:
                await self._pause_after(failures)

    def _delivered(self) -> int:
        """How far the slowest reader has come; 0 if nobody has read yet."""
        with contextlib.suppress(InboxError):
            return self.inbox.delivered() or 0
        return 0

    def _last(self) -> int:
        """The inbox's last sequence; if it cannot be read, nothing waits."""
        with contextlib.suppress(InboxError):
            return self.inbox.last()
        return self._done

    async def _sleep(self, seconds: float) -> None:
        """Wait until an event comes, or the time is up."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _pause_after(self, failures: int) -> None:
        """Wait the whole pause, whatever comes, unless it is time to stop."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1))
        pause_s = longest * (0.75 + random.random() / 4)  # nosec B311  # jitter
        logger.error(
            "delivery failed", extra={"failures": failures, "next_try_s": round(pause_s, 1)}
        )
        end = asyncio.get_running_loop().time() + pause_s
        while not self._stopping and (left := end - asyncio.get_running_loop().time()) > 0:
            await self._sleep(min(left, LOOK_S))

    async def _succeeds(self) -> bool:
        """Run the command once. Returns True if it succeeded."""
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self.command), start_new_session=True
            )
        except OSError as error:
            self.runs["not started"] += 1
            logger.error("the delivery command cannot be started", extra={"reason": error.strerror})
            return False
        code = await self._ended(process)
        self.runs["succeeded" if code == 0 else "failed"] += 1
        if code:
            logger.error("the delivery command failed", extra={"exit_code": code})
        return code == 0

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """The exit code of a run; one that hangs, or is in the way of a stop, is ended.

        A run that hung counts as failed, whatever it answered to SIGTERM.
        """
        ended = asyncio.create_task(process.wait())
        loop = asyncio.get_running_loop()
        began, asked_at, hangs = loop.time(), 0.0, False
        while not ended.done():
            await asyncio.wait({ended}, timeout=CHECK_S)
            if ended.done():
                break
            now = loop.time()
            if not asked_at and (self._stopping or now - began > self.longest_s):
                hangs = not self._stopping
                if hangs:
                    logger.error(
                        "the delivery command hangs", extra={"seconds": round(now - began)}
                    )
                asked_at = now
                send_signal(process.pid, signal.SIGTERM)
            elif asked_at and now - asked_at > self.stop_s:
                send_signal(process.pid, signal.SIGKILL)
        return ended.result() or int(hangs)


def send_signal(pid: int, number: int) -> None:
    """Signal a process and those it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
