"""The platform's webhooks: events happen at the source, and go to every receiver that asked for their kind.

Sending is what platforms do: again after a lost connection, 408, 429 and 5xx, with backoff; not in order, and twice,
where the control plane says so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sandbox.canai.events import EVENTS, Happening
from sandbox.canai.state import UnknownRow

LOOPBACK = ("127.0.0.1", "localhost", "::1")
AGAIN = frozenset({408, 429})
MOST_ATTEMPTS = 60
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
ANSWER_S = 10.0
CONNECTIONS = 50


class BadWebhook(ValueError):
    """A registration, or an order for events, that makes no sense."""


@dataclass(slots=True)
class Sending:
    """One payload on its way to one receiver."""

    url: str
    token: str
    payload: Mapping[str, Any]
    attempts: int = 0
    status: int | None = None
    done: bool = False

    def shown(self) -> dict[str, Any]:
        """As the control plane lists it."""
        data = self.payload["data"]
        return {
            "url": self.url, "event": self.payload["event"], "timestamp": self.payload["timestamp"], "user_id": data["user_id"],
            "attempts": self.attempts, "status": self.status, "done": self.done,
        }  # fmt: skip


@dataclass
class Webhooks:
    """Receivers, and what was sent to them."""

    happening: Happening
    receivers: list[dict[str, Any]] = field(default_factory=list)
    sent: list[Sending] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def reset(self) -> None:
        """No receiver, nothing on its way."""
        for task in self._tasks:
            task.cancel()
        self.receivers.clear()
        self.sent.clear()

    def register(self, given: Any) -> dict[str, Any]:
        """Add a receiver, in the form of the export guide: `{url, events, auth: {type, token}}`. Raises: BadWebhook."""
        if not isinstance(given, dict) or not isinstance(given.get("url"), str):
            raise BadWebhook("a webhook is an object {url, events, auth}")
        if urlsplit(given["url"]).hostname not in LOOPBACK:
            raise BadWebhook("the sandbox sends to this machine only")
        events = given.get("events") or list(EVENTS)
        unknown = [one for one in events if one not in EVENTS]
        if unknown:
            raise BadWebhook(f"unknown events {unknown}; known: {', '.join(EVENTS)}")
        auth = given.get("auth") or {}
        made = {
            "url": given["url"],
            "events": list(events),
            "auth": {"type": auth.get("type", "bearer"), "token": auth.get("token", "")},
        }
        self.receivers = [one for one in self.receivers if one["url"] != made["url"]] + [made]
        return made

    def happen(self, given: Any) -> list[str]:
        """Make events happen, and send them: `{event, users, ids, shuffle, duplicate}`; ids of the users. Raises: BadWebhook."""
        kind = given.get("event") if isinstance(given, dict) else None
        if kind not in EVENTS:
            raise BadWebhook(f"event is one of {', '.join(EVENTS)}")
        try:
            payloads = self.happening.make(kind, int(given.get("users") or 1), given.get("ids"))
        except (UnknownRow, TypeError, ValueError) as error:
            raise BadWebhook(str(error)) from error
        sendings = [
            Sending(one["url"], one["auth"]["token"], payload)
            for payload in payloads
            for one in self.receivers
            if kind in one["events"]
            for _ in range(2 if given.get("duplicate") else 1)
        ]
        if given.get("shuffle"):
            random.Random(len(self.sent)).shuffle(sendings)
        self.sent += sendings
        if sendings:
            task = asyncio.get_running_loop().create_task(send_all(sendings))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return [payload["data"]["user_id"] for payload in payloads]


async def send_all(sendings: Sequence[Sending]) -> None:
    """Send, CONNECTIONS at a time."""
    left = iter(sendings)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=False
    ) as session:

        async def worker() -> None:
            for one in left:
                await send(session, one)

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


async def send(session: aiohttp.ClientSession, one: Sending) -> None:
    """Send one payload until it is taken or refused for good."""
    headers = {"Authorization": f"Bearer {one.token}", "User-Agent": "CanAI-Webhooks/1 (sandbox)"}
    while one.attempts < MOST_ATTEMPTS:
        one.attempts += 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(one.attempts - 1, 8))
        try:
            async with session.post(
                one.url, json=one.payload, headers=headers, allow_redirects=False
            ) as answer:
                one.status = answer.status
                if answer.status not in AGAIN and answer.status < 500:
                    one.done = True
                    return
                asked = answer.headers.get("Retry-After", "")
                pause_s = max(pause_s, float(asked)) if asked.isdigit() else pause_s
        except (aiohttp.ClientError, TimeoutError, OSError):
            one.status = None
        await asyncio.sleep(pause_s)
