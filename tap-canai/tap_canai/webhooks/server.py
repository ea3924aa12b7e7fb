"""The receiver under uvicorn, which by itself does not limit how long a request's head may take."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_CONNECTIONS = 1000
"""Connections at a time, so that bodies on their way stay within memory; more are answered 503."""
BACKLOG = 2048
HEAD_S = 10.0
"""Seconds in which a request's head has to arrive, and a connection has to begin one."""
GRACE_S = 20
"""Seconds that requests in flight have to end after SIGTERM."""
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
"""What every log record has; the rest was passed as `extra`."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how the receiver listens."""

    host: str = "127.0.0.1"
    port: int = 8090
    head_s: float = HEAD_S
    forwarded_from: str = ""
    """Addresses of proxies whose X-Forwarded-For is believed."""
    certificate: str | None = None
    key: str | None = None


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose request does not come."""

    head_s = HEAD_S
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A connection: its first request has to begin soon."""
        super().connection_made(transport)
        self._start_timer()

    def on_message_begin(self) -> None:
        """A request begins: its head has to be complete soon."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """The head is complete; the application watches the body."""
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self.head_s, self._too_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(TOO_LATE)
            self.transport.close()


class JsonLines(logging.Formatter):
    """A log line as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in PLAIN}
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__  # a traceback could quote a payload
        return json.dumps(line, default=str)


def log_as_json(level: str) -> None:
    """All logs of the process as JSON lines on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def serve(app: Any, listening: Listening) -> None:
    """Serve until SIGTERM or SIGINT: requests in flight are answered, then the process ends."""
    GuardedProtocol.head_s = listening.head_s
    uvicorn.run(
        app,
        host=listening.host,
        port=listening.port,
        http=GuardedProtocol,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(listening.forwarded_from),
        forwarded_allow_ips=listening.forwarded_from or None,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=MOST_CONNECTIONS,
        backlog=BACKLOG,
    )
