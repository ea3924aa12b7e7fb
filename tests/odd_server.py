"""A server on this machine that answers with whatever bytes a test says."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Body = bytes | Callable[[socket.socket], None]


@dataclass
class Reply:
    """An answer: `raw` takes the place of everything, status line included."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: Body | None = None


@dataclass
class OddServer:
    """Answers a path with its replies in turn, the last one for ever."""

    url: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """What came with each request."""

    def next_reply(self, path: str) -> Reply:
        """The reply to a request for a path."""
        replies = self.replies.get(path) or self.replies.get("*") or [Reply(404)]
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def odd_server(tls: ssl.SSLContext | None = None) -> Iterator[OddServer]:
    """The server, for the time of a test; with a certificate it speaks https."""
    odd = OddServer()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            odd.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            odd.asked.append((self.path, dict(self.headers)))
            reply = odd.next_reply(self.path.split("?")[0])
            if reply.raw is not None:
                self.close_connection = True
                if callable(reply.raw):
                    reply.raw(self.connection)
                else:
                    self.wfile.write(reply.raw)
                return
            self.send_response_only(reply.status)
            headers = {"Date": "Sat, 31 Jan 2026 00:00:00 GMT"} | reply.headers
            headers.setdefault("Content-Length", str(len(reply.body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET = respond  # noqa: N815  # the names http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    odd.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    try:
        yield odd
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
