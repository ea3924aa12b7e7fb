"""Prunes every hour what was delivered and is older than a set time."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tap_canai.webhooks.inbox import Inbox, InboxError

logger = logging.getLogger(__name__)

EVERY_S = 3600.0


@dataclass
class Pruner:
    """Prunes from a thread of its own."""

    inbox: Inbox
    keep_days: float
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Prune now and every hour."""
        self._thread = threading.Thread(target=self._run, name="prune", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, once a pruning at work is done."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._prune()
            self._stopped.wait(EVERY_S)

    def _prune(self) -> None:
        try:
            pruned = self.inbox.prune(datetime.now(UTC) - timedelta(days=self.keep_days))
        except InboxError as error:
            logger.error("%s", error)
            return
        if pruned:
            logger.info("pruned", extra={"events": pruned})
