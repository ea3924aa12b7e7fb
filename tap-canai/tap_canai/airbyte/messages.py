"""Messages of the Airbyte protocol, out of the tap's Singer messages, its log and its errors."""

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

from tap_canai.errors import ApiRefused, ApiUnavailable, SettingError, TapError

FAILURES: tuple[tuple[type[TapError], str], ...] = (
    (SettingError, "config_error"), (ApiRefused, "config_error"), (ApiUnavailable, "transient_error"), (TapError, "system_error"),
)  # fmt: skip
"""What kind of failure an error is to the platform; the first that fits."""
LEVELS = {
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARNING": "WARN",
    "ERROR": "ERROR",
    "CRITICAL": "FATAL",
}


def now_ms() -> int:
    """The present moment, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass
class Writer(GenericSingerWriter[str, Message]):
    """Turns the tap's Singer messages into Airbyte's; a STATE is one stream's, with the number of records since the last one."""

    out: TextIO
    stream: str = ""
    records: int = 0
    total: Counter[str] = field(default_factory=Counter)
    last_state: str = ""

    def serialize_message(self, message: Message) -> str:
        """A Singer message as Airbyte has it; empty for one that it has not."""
        if isinstance(message, RecordMessage):
            self.records += 1
            self.total[message.stream] += 1
            return dumped(
                {
                    "type": "RECORD",
                    "record": {
                        "stream": message.stream,
                        "data": message.record,
                        "emitted_at": now_ms(),
                    },
                }
            )
        return ""

    def write_message(self, message: Message) -> None:
        """Write a message; a state that says nothing new waits for one that does."""
        if isinstance(message, StateMessage):
            self.state(message.value, final=False)
            return
        text = self.serialize_message(message)
        if text:
            if self.total[self.stream] == 1:
                self.status("RUNNING")
            self.out.write(text + "\n")

    def state(self, value: Mapping[str, Any], *, final: bool) -> None:
        """The present stream's state."""
        own = (value.get("bookmarks") or {}).get(self.stream) or {}
        text = json.dumps(own, sort_keys=True)
        if text == self.last_state and not (final and self.records):
            return
        descriptor = {"stream_descriptor": {"name": self.stream}, "stream_state": own}
        stats = {"recordCount": float(self.records)}
        self.send(
            {
                "type": "STATE",
                "state": {"type": "STREAM", "stream": descriptor, "sourceStats": stats},
            }
        )
        self.last_state, self.records = text, 0

    def begin(self, stream: str) -> None:
        """A stream's messages follow."""
        self.stream, self.records, self.last_state = stream, 0, ""
        self.status("STARTED")

    def status(self, status: str) -> None:
        """How the present stream stands."""
        told = {"stream_descriptor": {"name": self.stream}, "status": status}
        self.send(
            {
                "type": "TRACE",
                "trace": {
                    "type": "STREAM_STATUS",
                    "emitted_at": float(now_ms()),
                    "stream_status": told,
                },
            }
        )

    def error(self, error: TapError, stream: str = "") -> None:
        """What went wrong, for the platform and for people."""
        kind = next(name for cls, name in FAILURES if isinstance(error, cls))
        told: dict[str, Any] = {
            "message": str(error),
            "internal_message": type(error).__name__,
            "failure_type": kind,
        }
        if stream:
            told["stream_descriptor"] = {"name": stream}
        self.send(
            {
                "type": "TRACE",
                "trace": {"type": "ERROR", "emitted_at": float(now_ms()), "error": told},
            }
        )

    def send(self, message: Mapping[str, Any]) -> None:
        """A message at once."""
        self.out.write(dumped(message) + "\n")
        self.out.flush()


def dumped(message: Mapping[str, Any]) -> str:
    """A message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=str)


class LogMessages(logging.Handler):
    """Logs as LOG messages."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """One line of the log."""
        self.writer.send(
            {
                "type": "LOG",
                "log": {
                    "level": LEVELS.get(record.levelname, "INFO"),
                    "message": record.getMessage(),
                },
            }
        )


# What the source is
