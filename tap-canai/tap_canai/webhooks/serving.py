"""The receiver under uvicorn, with what uvicorn lacks: a limit on how long a request's head may take."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""Seconds in which a request's head has to arrive, and a new connection has to begin one."""
MOST_CONNECTIONS = 1000
"""Connections at a time, so that bodies on their way stay within memory; more are answered 503."""
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class GuardedProtocol(HttpToolsProtocol):
    """Ends connections whose request does not come."""

    head_s = HEAD_S
    _guard: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A connection: its first request has to begin soon."""
        super().connection_made(transport)
        self._watch()

    def on_message_begin(self) -> None:
        """A request begins: its head has to be whole soon."""
        super().on_message_begin()
        self._watch()

    def on_headers_complete(self) -> None:
        """The head is there; the application watches the body."""
        self._unwatch()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._unwatch()
        self._guard = asyncio.get_running_loop().call_later(self.head_s, self._too_late)

    def _unwatch(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _too_late(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(TOO_LATE)
            self.transport.close()


class JsonLines(logging.Formatter):
    """A log line as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        told |= {name: value for name, value in vars(record).items() if name not in PLAIN}
        if record.exc_info and record.exc_info[0]:
            told["error"] = record.exc_info[0].__name__  # a traceback could quote a payload
        return json.dumps(told, default=str)


def log_as_json(level: str) -> None:
    """All logs of the process as JSON lines on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def serve(
    app: Any,
    host: str,
    port: int,
    *,
    head_s: float = HEAD_S,
    forwarded_from: str = "",
    certificate: str = "",
    key: str = "",
    grace_s: float = 20,
) -> None:
    """Serve until SIGTERM or SIGINT: requests in flight are answered, then the process ends."""
    GuardedProtocol.head_s = head_s
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=GuardedProtocol,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(forwarded_from),
        forwarded_allow_ips=forwarded_from or None,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
        timeout_graceful_shutdown=int(grace_s),
        limit_concurrency=MOST_CONNECTIONS,
        backlog=2048,
    )
