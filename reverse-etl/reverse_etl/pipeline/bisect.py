"""Finding the rows that make the CRM refuse a batch.

Once a batch is refused, its rows are sent in groups, which grow while rows are taken and shrink
with every bad row. A group that is refused holds a bad row, so part of it is sent, half at most: if
the part is refused, the bad row is in it, and nothing is known of the others; if it is taken, the
bad row is among the others, which are split without being sent as a whole first.

A refused group settles no row. Each is an extra call, each row of a group that is taken, but for
one, saves a call, and once `EXTRA_CALLS_A_BATCH` more were spent than saved, every row goes alone.

What 100 rows cost at most, wherever the bad rows are: 15 calls for one bad row, 23 for two, 31 for
three, 39 for four, 46 for five, 107 for any number. Ten bad rows cost 57 on average, and more than
72 in five of 100,000 cases. No search of this kind holds both 72 and 107 calls in every case: for
72 it needs 112. `tests/unit/test_bisect.py` computes the worst cases from the rules below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reverse_etl.errors import BatchRejectedError, RowError
from reverse_etl.records import Outcome, Write

EXTRA_CALLS_A_BATCH = 7
"""A batch of n rows costs at most n + 7 calls: never more than 107 for 100 rows."""
CAUTIOUS_GROUP = 2
"""The largest group while more calls were spent than saved."""
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
        if not self._taken(self.batch):
            self._find_bad_row(scattered(self.batch))
        while self.unknown:
            size = group_size(self._progress())
            group, self.unknown = self.unknown[:size], self.unknown[size:]
            if not self._taken(group):
                self._find_bad_row(group)
        return self.outcomes

    def left(self) -> list[Write]:
        """The rows that have no outcome yet."""
        known = {id(outcome.record) for outcome in self.outcomes}
        return [write for write in self.batch if id(write.record) not in known]

    def _progress(self) -> Progress:
        settled = len(self.outcomes)
        extra = EXTRA_CALLS_A_BATCH + settled - self.calls
        if self.unproven() and self.calls > 1:
            # The batch and a part of it were refused. Perhaps every row is, so single rows
            # follow until one is taken, or `noted` has seen enough.
            extra = 0
        return Progress(settled, self.bad, extra)

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

    def _find_bad_row(self, part: list[Write]) -> None:
        """Find a row of a part that holds a bad one."""
        before = self.bad
        while part and self.bad == before:
            size = part_size(len(part), self._progress())
            first, others = part[:size], part[size:]
            if self._taken(first):
                part = others
            else:
                self.unknown = others + self.unknown
                part = first
        self.unknown = part + self.unknown


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the search of a batch is."""

    settled: int
    """Rows that have their outcome."""
    bad: int
    """Of these, rows that were bad."""
    extra: int
    """Calls that may still be refused without settling a row."""


def group_size(progress: Progress) -> int:
    """How many rows to send together, of which nothing is known.

    By the rule of succession, `(bad + 1) / (settled + 2)` of them are bad, so about one in a group.
    """
    if progress.extra <= 0:
        return 1
    size = (progress.settled + 2) // (progress.bad + 1)
    if progress.extra < EXTRA_CALLS_A_BATCH:
        size = min(size, CAUTIOUS_GROUP)
    return max(1, size)


def part_size(rows: int, progress: Progress) -> int:
    """How many rows to send of a group that holds a bad one."""
    if progress.extra <= 0:
        return 1
    size = (progress.settled + 2) // (progress.bad + 1)
    return max(1, min(size, (rows + 1) // 2))


def scattered(part: Sequence[Write]) -> list[Write]:
    """The rows of a part in an order in which neighbors are far from each other."""
    places = sorted(range(len(part)), key=lambda place: place * STRIDE % 1)
    return [part[place] for place in places]


def blamed(rejected: BatchRejectedError, part: Sequence[Write]) -> dict[int, RowError]:
    """The rows of a part that the answer blames, by position; a single row is always to blame."""
    named = {index: error for index, error in rejected.named.items() if 0 <= index < len(part)}
    return {0: named.get(0, rejected.fault)} if len(part) == 1 else named
