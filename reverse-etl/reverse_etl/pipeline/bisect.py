"""Finding the rows that make the CRM refuse a batch, by halving.

A part that is known to hold a bad row is tested by its first half: if that is taken, the bad row is
in the second half, which then needs no test; if not, nothing is known of the second half, and it is
tested together with other rows later. How many rows are tested together depends on how many were
bad so far: groups that are mostly refused win nothing.

A refused call settles no row. Only `EXTRA_CALLS_A_BATCH` more of them are made than other calls
saved, so that the worst batch costs hardly more than one call for every row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from reverse_etl.errors import BatchRejectedError, RowError
from reverse_etl.records import Outcome, Write

EXTRA_CALLS_A_BATCH = 7
"""A batch of n rows costs at most n + 7 calls: never more than 107 for 100 rows."""
RESERVE = 2
"""Extra calls that are kept for the rows behind a bad one, when its part is halved no further."""
SMALL_GROUPS = (3, 5, 8)
"""The largest group to test when this many extra calls are left: 1, 2 or 3."""
BAD_A_GROUP = 1.4
"""Bad rows that a group may be expected to hold."""
BAD_AT_FIRST, ROWS_AT_FIRST = 0.5, 25
"""What is assumed of bad rows before any are found: this many in this many rows."""
HOPELESS_SHARE = 0.38
"""From this share of bad rows on, one call for each row is cheaper than any groups."""
STRIDE = 0.618
"""Share of a batch between two rows that are tested together: bad rows often come one after the
other, or at every tenth place, and neither pattern survives the golden ratio."""


def nothing_noted(outcomes: Sequence[Outcome]) -> None:
    """For a search that nobody watches."""


def always_proven() -> bool:
    """For a search whose rule is known to work."""
    return False


@dataclass(slots=True)
class BatchSearch:
    """One batch until every row of it has its outcome."""

    call: Callable[[list[Write]], list[Outcome]]
    batch: list[Write]
    noted: Callable[[Sequence[Outcome]], None] = nothing_noted
    """Called with the outcomes of each call. Raises: CrmError to end the search."""
    unproven: Callable[[], bool] = always_proven
    """Returns True until the CRM has taken a row of the rule."""
    outcomes: list[Outcome] = field(default_factory=list)
    unknown: list[Write] = field(default_factory=list)
    """Rows without an outcome that may be good or bad."""
    calls: int = 0
    bad: int = 0
    """Rows that were found to be bad by a call of their own."""

    def run(self) -> list[Outcome]:
        """An outcome for each row. Raises: CrmError."""
        self.unknown = list(self.batch)
        while self.unknown:
            size = self._group_size()
            group, self.unknown = self.unknown[:size], self.unknown[size:]
            if self._taken(group):
                continue
            group = scattered(group)
            if self.unproven():
                self._probe(group)
            else:
                self._halve(group)
        return self.outcomes

    def left(self) -> list[Write]:
        """The rows that have no outcome yet."""
        known = {id(outcome.record) for outcome in self.outcomes}
        return [write for write in self.batch if id(write.record) not in known]

    def _extra_calls_left(self) -> int:
        """Calls that may still be refused without settling a row."""
        return EXTRA_CALLS_A_BATCH + len(self.outcomes) - self.calls

    def _group_size(self) -> int:
        """How many of the unknown rows to test together."""
        extra = self._extra_calls_left()
        if not self.bad and extra > 0:
            return len(self.unknown)
        share = (self.bad + BAD_AT_FIRST) / (len(self.outcomes) + ROWS_AT_FIRST)
        if extra <= 0 or share > HOPELESS_SHARE:
            return 1
        size = int(BAD_A_GROUP / share)
        if extra <= len(SMALL_GROUPS):
            size = min(size, SMALL_GROUPS[extra - 1])
        return max(1, size)

    def _taken(self, part: list[Write]) -> bool:
        """Make one call; returns False if a row of the part is bad and the answer names none."""
        self.calls += 1
        try:
            outcomes = self.call(part)
        except BatchRejectedError as rejected:
            named = blamed(rejected, part)
            if not named:
                return False
            outcomes = [
                Outcome.rejection(part[index].record, "send", error)
                for index, error in named.items()
            ]
            rest = [write for index, write in enumerate(part) if index not in named]
            self.unknown = rest + self.unknown
        self.outcomes += outcomes
        if len(part) == 1:
            self.bad += sum(1 for outcome in outcomes if outcome.name == "rejected")
        self.noted(outcomes)
        return True

    def _halve(self, part: list[Write]) -> None:
        """Find a row of a part that is known to hold a bad one."""
        while len(part) > 1 and self._extra_calls_left() > RESERVE:
            first, second = halves(part)
            if self._taken(first):
                part = second
            else:
                self.unknown = second + self.unknown
                part = first
        self._one_by_one(part)

    def _one_by_one(self, part: Sequence[Write]) -> None:
        """Send rows alone until one is bad; of those behind it nothing is known then."""
        before = self.bad
        for place, write in enumerate(part, start=1):
            self._taken([write])
            if self.bad > before:
                self.unknown = [*part[place:], *self.unknown]
                return

    def _probe(self, part: list[Write]) -> None:
        """Learn whether the CRM takes any row of a rule of which it has taken none.

        If it refuses the first half too, single rows of both halves are sent until it takes one, or
        `noted` has seen enough.
        """
        first, second = halves(part)
        if self._taken(first):
            self._halve(second)
            return
        rows = [row for pair in zip_longest(second, first) for row in pair if row is not None]
        while rows and self.unproven():
            self._taken([rows.pop(0)])
        left = {id(write) for write in rows}
        first = [write for write in first if id(write) in left]
        self.unknown = [write for write in second if id(write) in left] + self.unknown
        if self.bad:  # perhaps the only bad row of the first half
            self.unknown = first + self.unknown
        elif first:
            self._halve(first)


def halves(part: list[Write]) -> tuple[list[Write], list[Write]]:
    """The two halves of a part; the first is not the smaller."""
    middle = (len(part) + 1) // 2
    return part[:middle], part[middle:]


def scattered(part: Sequence[Write]) -> list[Write]:
    """The rows of a part in an order in which neighbors are far from each other."""
    places = sorted(range(len(part)), key=lambda place: place * STRIDE % 1)
    return [part[place] for place in places]


def blamed(rejected: BatchRejectedError, part: Sequence[Write]) -> dict[int, RowError]:
    """The rows of a part that the answer blames, by position; a single row is always to blame."""
    named = {index: error for index, error in rejected.named.items() if 0 <= index < len(part)}
    return {0: named.get(0, rejected.fault)} if len(part) == 1 else named
