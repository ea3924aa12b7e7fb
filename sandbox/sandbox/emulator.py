"""What every emulator shares: accounts by token, a limit on its pace, the shape that `app` drives."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from sandbox.clock import Clock
from sandbox.http import Call, Reply, Router


class Pace:
    """At most `calls` per `per_s` seconds, counted in a rolling window of real time; `daily` calls in all."""

    def __init__(self, calls: int | None, per_s: float, daily: int | None = None) -> None:
        self.calls, self.per_s, self.daily = calls, per_s, daily
        self._recent: deque[float] = deque()
        self.used_today = 0

    def wait_s(self, now: float) -> float:
        """Seconds until the next call fits, 0.0 where this one does (and is counted)."""
        while self._recent and self._recent[0] <= now - self.per_s:
            self._recent.popleft()
        if self.calls is not None and len(self._recent) >= self.calls:
            return self._recent[0] + self.per_s - now
        self._recent.append(now)
        self.used_today += 1
        return 0.0

    @property
    def remaining(self) -> int:
        """Calls left in the present window."""
        return max(0, (self.calls or 0) - len(self._recent))

    @property
    def spent(self) -> bool:
        """Whether the day's calls are used up."""
        return self.daily is not None and self.used_today >= self.daily


class Emulator(ABC):
    """One vendor behind a path prefix."""

    name: str
    router: Router
    main_token: str
    default_pace: tuple[int | None, float]

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Empty accounts with new ids, limits as at start."""
        self.accounts: dict[str, Any] = {}
        self.paces: dict[str, Pace] = {}
        self.limit: tuple[int | None, float, int | None] = (*self.default_pace, None)

    def set_limit(self, calls: int | None, per_s: float | None, daily: int | None) -> None:
        """Change the limit of every account from now on."""
        self.limit = (
            self.limit[0] if calls is None else calls,
            self.limit[1] if per_s is None else per_s,
            daily,
        )
        self.paces.clear()

    def account_name(self, token: str | None) -> str | None:
        """The account a token opens, None for a token the vendor does not know."""
        if token == self.main_token:
            return "default"
        prefix = f"{self.main_token}-"
        return (
            token[len(prefix) :]
            if token and token.startswith(prefix) and len(token) > len(prefix)
            else None
        )

    def account(self, name: str | None) -> Any:
        """The account of that name, made on first sight."""
        key = name or "default"
        if key not in self.accounts:
            self.accounts[key] = self.new_account(key)
        return self.accounts[key]

    def pace_of(self, key: str) -> Pace:
        """The pace of one account or key."""
        if key not in self.paces:
            calls, per_s, daily = self.limit
            self.paces[key] = Pace(calls, per_s, daily)
        return self.paces[key]

    def new_id(self) -> int:
        """A number for an account; random, since an empty CRM is never the one it was before."""
        return 10_000_000 + secrets.randbelow(80_000_000)

    @abstractmethod
    def new_account(self, name: str) -> Any:
        """An empty account."""

    @abstractmethod
    def inspect(self, call: Call) -> tuple[str, int]:
        """The log's kind (`read`, `write` or `auth`) and the rows the request sends."""

    @abstractmethod
    def handle(self, call: Call) -> Reply:
        """The answer, after checking token and pace."""

    @abstractmethod
    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """The vendor's words for a fault that answers."""

    @abstractmethod
    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """What the control plane shows of an object, None where the vendor has no such object."""
