"""What a row of the audit log is, wherever it is kept, and how the chain is made and checked."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from singer_kit.times import utc_text
from singer_kit.users import user_name

from tap_canai.errors import FatalError

Row = Mapping[str, Any]
KEPT = timedelta(days=365)
NO_CHAIN = "0" * 64
BEGINNINGS = ("begin", "checkpoint")
CUT: Row = {"event": "rows_missing"}
"""Written where a log does not reach its head: rows before this one were cut off."""


def chained(before: str, event: Row) -> str:
    """The chain after an event."""
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def salted(salt: str, value: str) -> str:
    """A user id as it may be written down."""
    return hashlib.sha256(f"{salt}\n{value}".encode()).hexdigest()[:32]


def beginning(now: datetime) -> dict[str, Any]:
    """A log's first row."""
    salt = secrets.token_hex(16)
    return {"at": utc_text(now), "event": "begin", "salt": salt, "has_head": True}


def noted(event: Row, salt: str, now: datetime) -> dict[str, Any]:
    """An event as it is written: when, who, and without user ids."""
    row = {"at": utc_text(now), "who": user_name(), **event}
    if "user_ids" in (event.get("filters") or {}):
        hashes = [salted(salt, user_id) for user_id in event["filters"]["user_ids"]]
        row["filters"] = {**event["filters"], "user_ids": hashes}
    return row


def checkpoint(first: Row, pruned: int, last_chain: str, now: datetime) -> dict[str, Any]:
    """The row that replaces the first one and the `pruned` rows after it.

    It carries on the chain of the last of them, to which the next row was chained.
    """
    before = first["removed"] if is_checkpoint(first) else 1
    return {
        "at": utc_text(now),
        "event": "checkpoint",
        "salt": first["salt"],
        "removed": pruned + before,
        "carried": last_chain,
        "has_head": True,
    }


def verified(rows: Iterable[Row], head: str) -> int:
    """The number of rows, if their chain holds and reaches the head.

    The head is the chain of the row that was written last. A row beyond it is one whose writer was
    killed before the head was written.

    Raises: FatalError that says where the log was changed.
    """
    before, number, reached, has_head = NO_CHAIN, 0, False, False
    for number, row in enumerate(rows, 1):
        event = {name: value for name, value in row.items() if name != "chain"}
        if number == 1 and event.get("event") not in BEGINNINGS:
            raise changed("line 1 is not its beginning")
        if row.get("chain") != chained(before, event):
            raise changed(f"line {number} does not fit the one before")
        if event.get("event") == CUT["event"]:
            raise changed(f"line {number} notes that rows before it were missing")
        has_head = has_head or bool(event.get("has_head"))
        before = chain_after(row)
        reached = reached or before == head
    if has_head and not head:
        raise changed("its head is missing, which says how far it goes")
    if head and not reached:
        raise changed(f"after line {number}, rows are missing at its end")
    return number


def chain_after(row: Row) -> str:
    """The chain that the next row continues; a checkpoint hands on that of the rows it replaced."""
    return str(row["carried"] if is_checkpoint(row) and "carried" in row else row["chain"])


def is_cut(first: Row, newest: Iterable[Row], head: str) -> bool:
    """Returns True if the newest rows of a log do not reach its head.

    A log that an older version of this package began has no head yet.
    """
    if not head:
        return bool(first.get("has_head"))
    return head not in map(chain_after, newest)


def changed(how: str) -> FatalError:
    """The error for a log that is not as it was written."""
    return FatalError(f"The audit log was changed: {how}.", "Compare it with a backup.")


def is_checkpoint(event: Row) -> bool:
    """Returns True if a row replaces older ones."""
    return event.get("event") == "checkpoint"
