"""What a row of the audit log is, wherever it is kept, and how the chain is made and checked."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from singer_kit.times import utc_text

from tap_canai.errors import FatalError

Row = Mapping[str, Any]
KEPT = timedelta(days=365)
NO_CHAIN = "0" * 64


def chained(before: str, event: Row) -> str:
    """The chain after an event."""
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def salted(salt: str, value: str) -> str:
    """A user id as it may be written down."""
    return hashlib.sha256(f"{salt}\n{value}".encode()).hexdigest()[:32]


def user_name() -> str:
    """Who runs this process, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def beginning(now: datetime) -> dict[str, Any]:
    """A log's first row."""
    return {"at": utc_text(now), "event": "begin", "salt": secrets.token_hex(16)}


def noted(event: Row, salt: str, now: datetime) -> dict[str, Any]:
    """An event as it is written: when, who, and without user ids."""
    filters = dict(event.get("filters") or {})
    if "user_ids" in filters:
        filters["user_ids"] = [salted(salt, user_id) for user_id in filters["user_ids"]]
    return {"at": utc_text(now), "who": user_name(), **event, "filters": filters}


def checkpoint(first: Row, pruned: int, now: datetime) -> dict[str, Any]:
    """The row that replaces the first one and the `pruned` rows after it."""
    before = first["removed"] if is_checkpoint(first) else 1
    return {
        "at": utc_text(now),
        "event": "checkpoint",
        "salt": first["salt"],
        "removed": pruned + before,
    }


def verified(rows: Iterable[Row]) -> int:
    """The number of rows, if their chain holds.

    Raises: FatalError that names the first row that does not fit.
    """
    before = NO_CHAIN
    number = 0
    for number, row in enumerate(rows, 1):
        event = {name: value for name, value in row.items() if name != "chain"}
        chain = row.get("chain", "")
        # a checkpoint carries on the chain of the rows it replaced, which nobody can recompute
        expected = chain if number == 1 and is_checkpoint(event) else chained(before, event)
        if chain != expected:
            raise FatalError(
                f"The audit log was changed: line {number} does not fit the one before.",
                "Compare it with a backup.",
            )
        before = chain
    return number


def is_checkpoint(event: Row) -> bool:
    """Returns True if a row replaces older ones."""
    return event.get("event") == "checkpoint"
