"""The guard `max_rejected`: the run ends when more writes are rejected than you allow.

A number is judged after each batch; a share from `SHARE_FROM` writes on and at the end of the run,
since the first few say little. What a stage before sending rejects counts as well. A share is of
the writes seen, sent or not: those stages reject of a block before its first write is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reverse_etl.errors import GuardError, SettingError
from reverse_etl.ledger import Ledger
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.outcomes import Outcomes

DEFAULT_MAX_REJECTED = "5%"
SHARE_FROM = 1000
"""Writes seen from which on a share is judged while writing."""
SHARE_AT_LEAST = 50
"""Rejected writes that a share always allows, so that a small run does not trip over a few."""
REASONS_SHOWN = 3
LIMIT = re.compile(r"^(\d+)$|^(\d+(?:\.\d+)?)%$")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a guard allows: a number, or a share of a whole."""

    number: int | None = None
    share: float = 0.0
    """Between 0 and 1."""
    share_at_least: int = 0
    """What a share always allows."""

    @classmethod
    def parse(cls, name: str, value: object, *, share_at_least: int = 0) -> Limit:
        """A limit as the setting of this name gives it, text or number. Raises: SettingError."""
        match = LIMIT.match(str(value).strip())
        if match is None:
            raise SettingError(
                f"{name} is not a valid limit: {str(value)!r}.",
                "Set a number such as 100, or a share such as 5%.",
            )
        number, percent = match.groups()
        if number is not None:
            return cls(int(number))
        return cls(share=float(percent) / 100, share_at_least=share_at_least)

    def allowed(self, whole: int) -> int:
        """How many of a whole are allowed."""
        if self.number is not None:
            return self.number
        return max(self.share_at_least, int(whole * self.share))

    def __str__(self) -> str:
        if self.number is not None:
            return str(self.number)
        at_least = f", at least {self.share_at_least}" if self.share_at_least else ""
        return f"{self.share * 100:g}%{at_least}"


def rejected_limit(value: object) -> Limit:
    """`max_rejected` as the setting gives it. Raises: SettingError."""
    return Limit.parse("max_rejected", value, share_at_least=SHARE_AT_LEAST)


DEFAULT_LIMIT = rejected_limit(DEFAULT_MAX_REJECTED)


@dataclass(frozen=True, slots=True)
class Guard:
    """Stops the calls when too many writes are rejected; `RunControl` then ends the run."""

    limit: Limit
    outcomes: Outcomes
    control: RunControl
    ledger: Ledger

    @property
    def exceeded(self) -> bool:
        """True if more are rejected than allowed: no STATE goes out, whatever comes of the run."""
        return self.outcomes.rejected > self.limit.allowed(self.outcomes.seen)

    def judge(self, *, at_the_end: bool = False) -> None:
        """Trip if the limit is exceeded. What is in flight still settles."""
        enough = at_the_end or self.limit.number is not None or self.outcomes.seen >= SHARE_FROM
        if enough and self.control.tripped is None and self.exceeded:
            self.control.trip(self._error())

    def _error(self) -> GuardError:
        reasons = self.ledger.letters.reasons()
        shown = ", ".join(str(reason) for reason in reasons[:REASONS_SHOWN])
        return GuardError(
            f"{self.outcomes.rejected} of {self.outcomes.seen} writes were rejected, more than "
            f"max_rejected allows ({self.limit}): {shown}.",
            "See `dead-letters list`, fix the cause, then run again; or raise max_rejected.",
        )
