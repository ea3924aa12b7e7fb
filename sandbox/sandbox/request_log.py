"""The log of requests that the control plane shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class LogEntry:
    """A request to an emulator."""

    seq: int
    at: str
    method: str
    path: str
    kind: str
    """`read`, `write` or `auth`."""
    client: str
    status: int | None = None
    """None if it was not answered."""
    rows: int = 0
    fault: str | None = None

    def shown(self) -> dict[str, Any]:
        """The entry as the control plane lists it."""
        names = ("seq", "at", "method", "path", "status", "rows", "kind", "client", "fault")
        return {name: getattr(self, name) for name in names}
