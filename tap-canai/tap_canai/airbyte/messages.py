"""Messages of the Airbyte protocol, from the tap's Singer messages, its log and its errors."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from singer_sdk.singerlib import Message, RecordMessage, StateMessage
from singer_sdk.singerlib.encoding import GenericSingerWriter

from tap_canai.errors import ApiRefusedError, ApiUnavailableError, FatalError, SettingError

FAILURES: tuple[tuple[type[FatalError], str], ...] = (
    (SettingError, "config_error"),
    (ApiRefusedError, "config_error"),
    (ApiUnavailableError, "transient_error"),
    (FatalError, "system_error"),
)
"""What kind of failure an error is to the platform; the first that fits."""
LEVELS = {
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARNING": "WARN",
    "ERROR": "ERROR",
    "CRITICAL": "FATAL",
}


@dataclass
class Writer(GenericSingerWriter[str, Message]):
    """Turns the tap's Singer messages into Airbyte's.

    A STATE is that of the present stream, with the number of records since the last one.
    """

    out: TextIO
    stream: str = ""
    records: int = 0
    total: Counter[str] = field(default_factory=Counter)
    last_state: str = ""

    def serialize_message(self, message: Message) -> str:
        """A RECORD in Airbyte's form; empty for other messages."""
        if not isinstance(message, RecordMessage):
            return ""
        self.records += 1
        self.total[message.stream] += 1
        record = {
            "stream": message.stream,
            "data": message.record,
            "emitted_at": now_ms(),
        }
        return json_line({"type": "RECORD", "record": record})

    def write_message(self, message: Message) -> None:
        """Write a message."""
        if isinstance(message, StateMessage):
            self.state(message.value, final=False)
            return
        line = self.serialize_message(message)
        if line:
            if self.total[self.stream] == 1:
                self.status("RUNNING")
            self.out.write(line + "\n")

    def state(self, value: Mapping[str, Any], *, final: bool) -> None:
        """Write the present stream's state, unless it says nothing new.

        The final one is written if records came after the last, so that all of them are counted.
        """
        bookmark = (value.get("bookmarks") or {}).get(self.stream) or {}
        text = json.dumps(bookmark, sort_keys=True)
        if text == self.last_state and not (final and self.records):
            return
        state = {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": self.stream}, "stream_state": bookmark},
            "sourceStats": {"recordCount": float(self.records)},
        }
        self.send({"type": "STATE", "state": state})
        self.last_state, self.records = text, 0

    def begin(self, stream: str) -> None:
        """A stream's messages follow."""
        self.stream, self.records, self.last_state = stream, 0, ""
        self.status("STARTED")

    def status(self, status: str) -> None:
        """Write the present stream's status."""
        stream_status = {"stream_descriptor": {"name": self.stream}, "status": status}
        self._trace("STREAM_STATUS", "stream_status", stream_status)

    def error(self, error: FatalError, stream: str = "") -> None:
        """Write what went wrong, for the platform and for people."""
        details: dict[str, Any] = {
            "message": str(error),
            "internal_message": type(error).__name__,
            "failure_type": next(name for kind, name in FAILURES if isinstance(error, kind)),
        }
        if stream:
            details["stream_descriptor"] = {"name": stream}
        self._trace("ERROR", "error", details)

    def _trace(self, kind: str, key: str, content: Mapping[str, Any]) -> None:
        trace = {"type": kind, "emitted_at": float(now_ms()), key: content}
        self.send({"type": "TRACE", "trace": trace})

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message at once."""
        self.out.write(json_line(message) + "\n")
        self.out.flush()


class LogMessages(logging.Handler):
    """Logs as LOG messages."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line of the log."""
        log = {"level": LEVELS.get(record.levelname, "INFO"), "message": record.getMessage()}
        self.writer.send({"type": "LOG", "log": log})


def json_line(message: Mapping[str, Any]) -> str:
    """A message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=str)


def now_ms() -> int:
    """The present moment, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
