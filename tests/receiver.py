"""A receiver of webhooks in a process of its own, and requests as its senders make them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tap_canai.webhooks.inbox import Inbox, Row

from box import BIN, Box, free_port
from support import clean_environment, wait_for

TOKEN = "webhook-secret"
AT = "2026-01-31T10:00:00Z"


@dataclass
class Receiver:
    """A running `canai-webhooks serve`."""

    port: int
    inbox_url: str
    log: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/canai"

    def start(self, **environment: str) -> None:
        command = [
            str(BIN / "canai-webhooks"),
            "serve",
            "--port",
            str(self.port),
            "--inbox-url",
            self.inbox_url,
            *self.options,
        ]
        env = {
            **clean_environment(),
            "WEBHOOK_SECRET": json.dumps(["old-secret", TOKEN]),
            **environment,
        }
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, env=env, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                if self.get("/readyz")[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(40)

    def get(self, path: str) -> tuple[int, str]:
        return self._call("GET", path, None, {})

    def post(
        self, payload: object, token: str = TOKEN, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent_headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        status, text = self._call(
            "POST",
            "/webhooks/canai",
            body,
            {name: value for name, value in sent_headers.items() if value},
        )
        return status, json.loads(text) if text else None

    def _call(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@contextlib.contextmanager
def receiving(
    folder: Path, inbox_url: str, *options: str, **environment: str
) -> Iterator[Receiver]:
    folder.mkdir(parents=True, exist_ok=True)
    receiver = Receiver(free_port(), inbox_url, folder / "receiver.log", options)
    receiver.start(**environment)
    try:
        yield receiver
    finally:
        if receiver.process is not None and receiver.process.poll() is None:
            receiver.process.terminate()
            receiver.process.wait(40)


def event(kind: str = "user.referred_signup", at: str = AT, **data: Any) -> dict[str, Any]:
    """An event as the platform sends it."""
    needed = {"referrals_made": 1} if kind == "user.referred_signup" else {}
    return {
        "event": kind,
        "timestamp": at,
        "data": {"user_id": "u-1", "email": "ann@example.com", **needed, **data},
    }


def stored(url: str) -> list[Row]:
    """The events in an inbox."""
    with Inbox.open(url) as inbox:
        return inbox.read(0, 100_000)


def sent(box: Box, timeout_s: float = 60) -> list[dict[str, Any]]:
    """What the sandbox sent, once all of it was taken."""
    deadline = time.monotonic() + timeout_s
    while True:
        deliveries: list[dict[str, Any]] = box.call("GET", "/_sandbox/events")
        left = [delivery for delivery in deliveries if not delivery["done"]]
        if not left:
            return deliveries
        assert time.monotonic() < deadline, left[:5]
        time.sleep(0.1)


def hook(box: Box, receiver: Receiver) -> None:
    """Let the sandbox send every event to a receiver."""
    box.call(
        "POST",
        "/_sandbox/webhooks",
        {"url": receiver.url, "events": [], "auth": {"type": "bearer", "token": TOKEN}},
    )


def settled(receiver: Receiver) -> str:
    """The receiver's metrics, once all events are delivered."""
    wait_for(lambda: "canai_webhooks_undelivered 0.0" in receiver.get("/metrics")[1])
    return receiver.get("/metrics")[1]
