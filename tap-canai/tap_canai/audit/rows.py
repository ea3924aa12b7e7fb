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

from tap_canai.errors import TapError
from tap_canai.times import utc_text

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


def told(event: Row, salt: str, now: datetime) -> dict[str, Any]:
    """An event as it is written: when, who, and no user id."""
    filters = dict(event.get("filters") or {})
    if "user_ids" in filters:
        filters["user_ids"] = [salted(salt, one) for one in filters["user_ids"]]
    return {"at": utc_text(now), "who": user_name(), **event, "filters": filters}


def checkpoint(first: Row, pruned: int, now: datetime) -> dict[str, Any]:
    """The row that stands for `pruned` rows after the first, and for what an earlier checkpoint stood for."""
    removed = pruned + (first["removed"] if first["event"] == "checkpoint" else 1)
    return {"at": utc_text(now), "event": "checkpoint", "salt": first["salt"], "removed": removed}


def verified(rows: Iterable[Row]) -> int:
    """The number of rows, whose chain holds. Raises: TapError naming the first row that does not fit."""
    before = NO_CHAIN
    number = 0
    for number, row in enumerate(rows, 1):
        event = {name: value for name, value in row.items() if name != "chain"}
        chain = row.get("chain", "")
        if number == 1 and event.get("event") == "checkpoint":
            before = chain
            continue
        before = chained(before, event)
        if before != chain:
            raise TapError(
                f"The audit log was changed: line {number} does not fit the one before.",
                "Compare it with a backup.",
            )
    return number
