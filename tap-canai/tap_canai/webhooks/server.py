"""The receiver under uvicorn, which by itself does not limit how long a request's head may take."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, ClassVar

import uvicorn
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger(__name__)

MOST_REQUESTS = 1000
"""Requests at a time, so that bodies on their way stay within memory; more are answered 503."""
MOST_OF_AN_ADDRESS = 100
"""Connections of one address at a time, unless it is a proxy's; more are answered 503."""
LARGEST_HEAD_BYTES = 16 * 1024
"""Bytes of a request's head."""
BACKLOG = 2048
HEAD_S = 10.0
"""Seconds in which a request's head has to arrive, and a connection has to begin one."""
GRACE_S = 20
"""Seconds that requests in flight have to end after SIGTERM."""
NO_BODY = b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
TOO_LATE = b"HTTP/1.1 408 Request Timeout" + NO_BODY
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large" + NO_BODY
TOO_MANY = b"HTTP/1.1 503 Service Unavailable" + NO_BODY
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
    """Closes connections whose request does not come, or has too large a head, or of which one
    address has too many."""

    head_s = HEAD_S
    proxies: frozenset[str] = frozenset()
    """Addresses that may have any number of connections; `*` stands for all."""
    connections_of: ClassVar[Counter[str]] = Counter()
    _timer: asyncio.TimerHandle | None = None
    _address = ""
    _refused = False
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """A connection: its first request has to begin soon."""
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self.connections_of[self._address] += 1
        is_proxy = not self.proxies.isdisjoint((self._address, "*"))
        if not is_proxy and self.connections_of[self._address] > MOST_OF_AN_ADDRESS:
            self._refused = True
            transport.write(TOO_MANY)
            transport.close()
            return
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, of which a head may have only a limited number of."""
        if self._refused:
            return
        super().data_received(data)
        if self._timer is not None:  # a head is on its way
            self._head_bytes += len(data)
            self._check_head()

    def eof_received(self) -> None:
        """The other side has ended."""
        if not self._refused:
            super().eof_received()

    def on_message_begin(self) -> None:
        """A request begins: its head has to be complete soon."""
        super().on_message_begin()
        self._head_bytes = 0
        self._start_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head."""
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; the application watches the body."""
        self._stop_timer()
        if self._check_head():
            super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self.connections_of[self._address] -= 1
        if not self.connections_of[self._address]:
            del self.connections_of[self._address]
        self._stop_timer()
        if not self._refused:
            super().connection_lost(exc)

    def _check_head(self) -> bool:
        """Returns False, after the answer, if the head is too large."""
        if self._head_bytes <= LARGEST_HEAD_BYTES:
            return True
        self._end(TOO_LARGE)
        return False

    def _start_timer(self) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self.head_s, self._end, TOO_LATE)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, answer: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


class Concurrency:
    """An application that takes a limited number of requests at a time.

    Uvicorn's own limit counts connections as well, also those on which nothing comes.
    """

    def __init__(self, app: Any, most: int = MOST_REQUESTS) -> None:
        self._app, self._most = app, most
        self._running = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer 503."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._running >= self._most:
            await Response(status_code=503, headers={"Retry-After": "1"})(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1


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
    GuardedProtocol.proxies = frozenset(listening.forwarded_from.replace(" ", "").split(","))
    if listening.certificate is None and not is_local(listening.host):
        logger.warning(
            "listening on %s without a certificate: tokens and personal data can be read on the "
            "way, unless a proxy with TLS is in front",
            listening.host,
        )
    uvicorn.run(
        Concurrency(app),
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
        backlog=BACKLOG,
    )


def is_local(host: str) -> bool:
    """Returns True if only this machine reaches an address to listen on."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
