"""What can be made to fail, and the log of what was asked: the two tables of the control plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ANSWERS = {
    "401", "403_permission", "403_address", "429", "500", "502", "503", "daily_limit", "empty_success", "expired_token", "unnamed_400",
}  # fmt: skip
"""Faults that answer in the vendor's words without running the request."""

CONNECTION = {"timeout", "drop_before_commit", "drop_after_commit", "late_commit", "kill_pid"}
"""Faults that never answer."""

EXPORT = {"expired_url", "gone_export", "processing_failed", "wrong_count", "truncate"}
"""Faults of the export API: of downloads (`expired_url`, `truncate`), of polls (`gone_export`) and of new exports."""

KNOWN = ANSWERS | CONNECTION | EXPORT | {"job_failed", "locked_rows", "slow"}
CRMS = ("canai", "hubspot", "pipedrive", "salesforce")


class UnknownFault(ValueError):
    """A fault, or one of its arguments, that the sandbox does not know."""


@dataclass(slots=True)
class Fault:
    """One armed fault; it strikes `times` matching requests after `after` of them passed."""

    crm: str
    fault: str
    match: str = ""
    times: int = 1
    after: int = 0
    args: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    def strikes(self, crm: str, method: str, full_path: str, body: str) -> bool:
        """Whether this request is struck; counts it where it matches. `match` may begin with a method, as `POST /pipedrive`."""
        if crm != self.crm or self.match not in f"{method} {full_path}":
            return False
        row = self.args.get("row")
        if row is not None:
            hit = str(row) in body or str(row) in full_path
            self.struck += hit
            return hit
        self.seen += 1
        if self.seen > self.after and self.struck < self.times:
            self.struck += 1
            return True
        return False

    def shown(self) -> dict[str, Any]:
        """As the control plane lists it."""
        names = ("crm", "fault", "match", "times", "after", "args", "seen", "struck")
        return {name: getattr(self, name) for name in names}


def parse_fault(given: Any) -> Fault:
    """A fault as posted. Raises: UnknownFault."""
    if not isinstance(given, dict):
        raise UnknownFault("a fault is an object {crm, match, fault, times, after, args}")
    unknown = set(given) - {"crm", "match", "fault", "times", "after", "args"}
    if unknown:
        raise UnknownFault(f"unknown keys {sorted(unknown)}")
    if given.get("crm") not in CRMS:
        raise UnknownFault(f"crm is one of {', '.join(CRMS)}")
    if given.get("fault") not in KNOWN:
        raise UnknownFault(
            f"unknown fault {given.get('fault')!r}; known: {', '.join(sorted(KNOWN))}"
        )
    return Fault(**given)


@dataclass(slots=True)
class Entry:
    """One line of the request log."""

    seq: int
    at: str
    method: str
    path: str
    kind: str
    client: str
    status: int | None = None
    rows: int = 0
    fault: str | None = None

    def shown(self) -> dict[str, Any]:
        """As the control plane lists it."""
        names = ("seq", "at", "method", "path", "status", "rows", "kind", "client", "fault")
        return {name: getattr(self, name) for name in names}
