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
    """How many writes may be rejected: a number, or a share of those that have an outcome."""

    number: int | None = None
    share: float = 0.0
    """Between 0 and 1."""

    @classmethod
    def parse(cls, text: str) -> Limit:
        """A limit as the setting gives it. Raises: SettingError."""
        match = LIMIT.match(text.strip())
        if match is None:
            raise SettingError(
                f"max_rejected is not a valid limit: {text!r}.",
                "Set a number such as 100, or a share such as 5%.",
            )
        number, percent = match.groups()
        return cls(int(number)) if number is not None else cls(share=float(percent) / 100)

    def allowed(self, seen: int) -> int:
        """The writes, of those seen, that may be rejected."""
        if self.number is not None:
            return self.number
        return max(SHARE_AT_LEAST, int(seen * self.share))

    def __str__(self) -> str:
        if self.number is not None:
            return str(self.number)
        return f"{self.share * 100:g}%, at least {SHARE_AT_LEAST}"


DEFAULT_LIMIT = Limit.parse(DEFAULT_MAX_REJECTED)


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
