"""What can be made to fail: the faults, when they strike, and how they are registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ANSWERS = {
    "401",
    "403_permission",
    "403_address",
    "429",
    "500",
    "502",
    "503",
    "daily_limit",
    "empty_success",
    "expired_token",
    "unnamed_400",
}
"""Faults that answer in the vendor's words without running the request."""

CONNECTION = {"timeout", "drop_before_commit", "drop_after_commit", "late_commit", "kill_pid"}
"""Faults that never answer."""

EXPORT = {"expired_url", "gone_export", "processing_failed", "wrong_count", "truncate"}
"""Faults of the export API.

`expired_url` and `truncate` strike downloads, `gone_export` polls, the others new exports.
"""

ROWS = {"job_failed", "locked_rows", "refuse_all", "unreadable_rows"}
"""Faults that strike the rows of a request."""

KNOWN = ANSWERS | CONNECTION | EXPORT | ROWS | {"slow"}
KEYS = {"crm", "match", "fault", "times", "after", "args"}
CRMS = ("canai", "hubspot", "pipedrive", "salesforce")


class UnknownFaultError(ValueError):
    """A fault, or one of its arguments, that the sandbox does not know."""


@dataclass(slots=True)
class Fault:
    """A registered fault; it strikes `times` matching requests after `after` of them passed."""

    crm: str
    fault: str
    match: str = ""
    times: int = 1
    after: int = 0
    args: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    def strikes(self, crm: str, method: str, full_path: str, body: str) -> bool:
        """Returns True if this request is struck, and counts it if it matches.

        `match` may begin with a method, as `POST /pipedrive`.
        """
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
        """The fault as the control plane lists it."""
        names = ("crm", "fault", "match", "times", "after", "args", "seen", "struck")
        return {name: getattr(self, name) for name in names}


def parse_fault(body: Any) -> Fault:
    """A fault as posted.

    Raises: UnknownFaultError.
    """
    if not isinstance(body, dict):
        raise UnknownFaultError("a fault is an object {crm, match, fault, times, after, args}")

    unknown = set(body) - KEYS
    if unknown:
        raise UnknownFaultError(f"unknown keys {sorted(unknown)}")
    if body.get("crm") not in CRMS:
        raise UnknownFaultError(f"crm is one of {', '.join(CRMS)}")
    if body.get("fault") not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise UnknownFaultError(f"unknown fault {body.get('fault')!r}; known: {known}")
    return Fault(**body)
