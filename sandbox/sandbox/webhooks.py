"""The platform's webhooks: events happen, and go to every receiver that asked for their kind.

Sending is what platforms do: a payload is sent again after a lost connection, 408, 429 and 5xx,
with backoff. The control plane says if payloads come in another order, or twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sandbox.canai.errors import UnknownRowError
from sandbox.canai.events import EVENTS, PlatformEvents

LOOPBACK = ("127.0.0.1", "localhost", "::1")
AGAIN = frozenset({408, 429})
"""Statuses below 500 after which a payload is sent again."""
MOST_ATTEMPTS = 60
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
ANSWER_S = 10.0
CONNECTIONS = 50
USER_AGENT = "CanAI-Webhooks/1 (sandbox)"


class BadWebhookError(ValueError):
    """A registration, or an order for events, that is not valid."""


@dataclass(slots=True)
class Sending:
    """A payload on its way to a receiver."""

    url: str
    token: str
    payload: Mapping[str, Any]
    attempts: int = 0
    status: int | None = None
    done: bool = False

    def shown(self) -> dict[str, Any]:
        """The sending as the control plane lists it."""
        return {
            "url": self.url,
            "event": self.payload["event"],
            "timestamp": self.payload["timestamp"],
            "user_id": self.payload["data"]["user_id"],
            "attempts": self.attempts,
            "status": self.status,
            "done": self.done,
        }


class Webhooks:
    """Receivers, and what was sent to them."""

    def __init__(self, events: PlatformEvents) -> None:
        self.events = events
        self.receivers: list[dict[str, Any]] = []
        self.sent: list[Sending] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Forget the receivers, and stop sending."""
        for task in self._tasks:
            task.cancel()
        self.receivers.clear()
        self.sent.clear()
        self.events.reset()

    def register(self, wanted: Any) -> None:
        """Add a receiver in the form of the export guide: `{url, events, auth: {type, token}}`.

        Raises: BadWebhookError.
        """
        if not isinstance(wanted, dict) or not isinstance(wanted.get("url"), str):
            raise BadWebhookError("a webhook is an object {url, events, auth}")
        if urlsplit(wanted["url"]).hostname not in LOOPBACK:
            raise BadWebhookError("the sandbox sends to this machine only")

        events = wanted.get("events") or list(EVENTS)
        unknown = [event for event in events if event not in EVENTS]
        if unknown:
            raise BadWebhookError(f"unknown events {unknown}; known: {', '.join(EVENTS)}")

        auth = wanted.get("auth") or {}
        receiver = {
            "url": wanted["url"],
            "events": list(events),
            "auth": {"type": auth.get("type", "bearer"), "token": auth.get("token", "")},
        }
        others = [known for known in self.receivers if known["url"] != receiver["url"]]
        self.receivers = [*others, receiver]

    def happen(self, order: Any) -> list[str]:
        """Make events happen and send them; returns the ids of the users.

        The order is `{event, users, ids, shuffle, duplicate}`. Raises: BadWebhookError.
        """
        kind = order.get("event") if isinstance(order, dict) else None
        if kind not in EVENTS:
            raise BadWebhookError(f"event is one of {', '.join(EVENTS)}")
        try:
            payloads = self.events.make(kind, int(order.get("users") or 1), order.get("ids"))
        except (UnknownRowError, TypeError, ValueError) as error:
            raise BadWebhookError(str(error)) from error

        times = 2 if order.get("duplicate") else 1
        sendings = [
            sending for payload in payloads for sending in self._sendings(kind, payload, times)
        ]
        if order.get("shuffle"):
            random.Random(len(self.sent)).shuffle(sendings)
        self._start(sendings)
        return [payload["data"]["user_id"] for payload in payloads]

    def _sendings(self, kind: str, payload: Mapping[str, Any], times: int) -> list[Sending]:
        """A payload to every receiver that asked for it."""
        sendings = []
        for receiver in self.receivers:
            if kind in receiver["events"]:
                token = receiver["auth"]["token"]
                sendings += [Sending(receiver["url"], token, payload) for _ in range(times)]
        return sendings

    def _start(self, sendings: list[Sending]) -> None:
        self.sent += sendings
        if sendings:
            task = asyncio.get_running_loop().create_task(send_all(sendings))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def send_all(sendings: Sequence[Sending]) -> None:
    """Send, CONNECTIONS at a time."""
    left = iter(sendings)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=False
    ) as session:

        async def worker() -> None:
            for sending in left:
                await send(session, sending)

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


async def send(session: aiohttp.ClientSession, sending: Sending) -> None:
    """Send a payload until it is accepted, or refused for good."""
    while sending.attempts < MOST_ATTEMPTS:
        sending.attempts += 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(sending.attempts - 1, 8))
        try:
            asked_s = await attempt(session, sending)
        except (aiohttp.ClientError, TimeoutError, OSError):
            sending.status, asked_s = None, 0.0
        if sending.done:
            return
        await asyncio.sleep(max(pause_s, asked_s))


async def attempt(session: aiohttp.ClientSession, sending: Sending) -> float:
    """Send a payload once; returns the pause in seconds that the receiver asks for."""
    headers = {"Authorization": f"Bearer {sending.token}", "User-Agent": USER_AGENT}
    async with session.post(
        sending.url, json=sending.payload, headers=headers, allow_redirects=False
    ) as response:
        sending.status = response.status
        sending.done = response.status not in AGAIN and response.status < 500
        asked = response.headers.get("Retry-After", "")
        return float(asked) if asked.isdigit() else 0.0
