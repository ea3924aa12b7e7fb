"""What every emulator shares: accounts by token, their limits, and the calls `app` makes on it."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sandbox.by_hand import Deed, carry_out
from sandbox.clock import Clock
from sandbox.http import Call, Reply, Router
from sandbox.pace import Pace

NEWLY_REQUIRED = "cost_center"
"""The field that an administrator makes required where a `refuse_all` names no other."""


class Emulator(ABC):
    """One vendor behind a path prefix."""

    name: str
    router: Router
    main_token: str
    default_pace: tuple[int | None, float]
    """Calls, and the seconds they are counted over."""
    default_switches: ClassVar[Mapping[str, bool]] = {}
    """The vendor's own behaviors that the control plane turns on and off."""
    actions: ClassVar[Mapping[str, Callable[[Any, Deed], object]]] = {}
    """What the control plane lets people do by hand in an account."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Empty the accounts, which get new ids; restore limits and switches."""
        self.accounts: dict[str, Any] = {}
        self.paces: dict[str, Pace] = {}
        self.limit: tuple[int | None, float, int | None] = (*self.default_pace, None)
        self.switches = dict(self.default_switches)

    def set_limit(self, calls: int | None, per_s: float | None, daily: int | None) -> None:
        """Change the limit of every account from now on."""
        old_calls, old_per_s, _ = self.limit
        self.limit = (
            old_calls if calls is None else calls,
            old_per_s if per_s is None else per_s,
            daily,
        )
        self.paces.clear()

    def account_name(self, token: str | None) -> str | None:
        """The account a token opens, None for a token the vendor does not know."""
        if token == self.main_token:
            return "default"

        prefix = f"{self.main_token}-"
        if not token or not token.startswith(prefix):
            return None
        return token.removeprefix(prefix) or None

    def account(self, name: str | None) -> Any:
        """The account of that name, created when it is first asked for."""
        key = name or "default"
        if key not in self.accounts:
            self.accounts[key] = self.new_account(key)
        return self.accounts[key]

    def pace_of(self, key: str) -> Pace:
        """The pace of an account or key."""
        if key not in self.paces:
            calls, per_s, daily = self.limit
            self.paces[key] = Pace(calls, per_s, daily)
        return self.paces[key]

    def new_id(self) -> int:
        """A number for an account.

        It is random: after a reset, an empty account must not pass for the account it replaces.
        """
        return 10_000_000 + secrets.randbelow(80_000_000)

    def by_hand(self, deed: Deed, account: str | None) -> None:
        """Do in an account what people do by hand.

        Raises: UnknownActionError.
        """
        carry_out(self.actions, self.account(account), deed)

    @abstractmethod
    def new_account(self, name: str) -> Any:
        """An empty account."""

    @abstractmethod
    def inspect(self, call: Call) -> tuple[str, int]:
        """The kind of call for the log (`read`, `write` or `auth`) and the rows it sends."""

    @abstractmethod
    def handle(self, call: Call) -> Reply:
        """The response, after checking token and pace."""

    @abstractmethod
    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """The response to a call that a fault strikes, in the vendor's words."""

    @abstractmethod
    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Rows of an object for the control plane, None if the vendor has no such object."""
