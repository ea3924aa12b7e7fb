"""What was delivered is pruned after a set time, by the hour."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from tap_canai.webhooks.inbox import Inbox, InboxError

logger = logging.getLogger(__name__)

EVERY_S = 3600.0


def prune_by_the_hour(inbox: Inbox, keep_days: float) -> threading.Thread:
    """Prune now and every hour, from a thread that ends with the process."""

    def run() -> None:
        pause = threading.Event()
        while True:
            try:
                pruned = inbox.prune(datetime.now(UTC) - timedelta(days=keep_days))
            except InboxError as error:
                logger.error("%s", error)
            else:
                if pruned:
                    logger.info("pruned", extra={"events": pruned})
            pause.wait(EVERY_S)

    thread = threading.Thread(target=run, name="prune", daemon=True)
    thread.start()
    return thread
