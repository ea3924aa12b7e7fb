"""Examining an account before a run: what an adapter may be able to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account says of itself before a run."""

    name: str
    kind: str = ""
    """Such as sandbox or production; empty if the CRM does not say."""
    calls_left: int | None = None
    """What is left of the day; None if the CRM does not say."""
    unit: str = "calls"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a run would stumble over, and what to do."""

    message: str
    hint: str = ""


class PreflightAdapter(Protocol):
    """A CRM whose account can be examined before a run; writes nothing."""

    def state(self) -> AccountState:
        """The account's name and kind, and the calls that are left. Raises: CrmError."""
        ...

    def problems(
        self, objects: Sequence[str], missing: Mapping[str, Sequence[str]]
    ) -> Iterable[Problem]:
        """What an administrator has to do. `missing` are fields, by object, that nothing shows."""
        ...
