"""Finding the rows that make the CRM refuse a batch, by halving.

A part that is known to hold a bad row is tested by its first half: if that is taken, the bad row is
in the second half, which then needs no test; if not, the second half is put off until the first is
done. A call that may fail in vain is made only while even the worst case, one call for every row
left, stays within the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reverse_etl.errors import BatchRejectedError, RowError
from reverse_etl.records import Outcome, Write

EXTRA_CALLS_A_BATCH = 7
"""A batch of n rows costs at most n + 7 calls: never more than 107 for 100 rows."""
SMALLEST_PART = 4
"""A part this small is sent row by row, since halving it further would save nothing."""


@dataclass(slots=True)
class BatchSearch:
    """One batch until every row of it has its outcome."""

    call: Callable[[list[Write]], list[Outcome]]
    batch: list[Write]
    outcomes: list[Outcome] = field(default_factory=list)
    put_off: list[list[Write]] = field(default_factory=list)
    calls: int = 0

    def run(self) -> list[Outcome]:
        """An outcome for each row. Raises: CrmError."""
        self.put_off.append(self.batch)
        while self.put_off:
            part = max(self.put_off, key=len)
            self.put_off.remove(part)
            if not self._may_fail(part):
                self._one_by_one(part)
            elif not self._taken(part):
                self._search(part)
        return self.outcomes

    def _may_fail(self, part: Sequence[Write]) -> bool:
        """Returns True if a refusal of this part would still leave enough calls for every row."""
        left = len(self.batch) - len(self.outcomes)
        return len(part) == 1 or self.calls + 1 + left <= len(self.batch) + EXTRA_CALLS_A_BATCH

    def _taken(self, part: list[Write]) -> bool:
        """Make one call; returns False if a row of the part is bad and the answer names none."""
        self.calls += 1
        try:
            self.outcomes += self.call(part)
        except BatchRejectedError as rejected:
            named = blamed(rejected, part)
            if not named:
                return False
            self.outcomes += [
                Outcome.rejection(part[index].record, "send", error)
                for index, error in named.items()
            ]
            rest = [write for index, write in enumerate(part) if index not in named]
            if rest:
                self.put_off.append(rest)
        return True

    def _search(self, part: list[Write]) -> None:
        """Halve a part that is known to hold a bad row."""
        while len(part) > SMALLEST_PART:
            middle = (len(part) + 1) // 2
            first, second = part[:middle], part[middle:]
            if not self._may_fail(first):
                break
            if self._taken(first):
                part = second
            else:
                self.put_off.append(second)
                part = first
        self._one_by_one(part)

    def _one_by_one(self, part: Sequence[Write]) -> None:
        for write in part:
            self._taken([write])


def blamed(rejected: BatchRejectedError, part: Sequence[Write]) -> dict[int, RowError]:
    """The rows of a part that the answer blames, by position; a single row is always to blame."""
    named = {index: error for index, error in rejected.named.items() if 0 <= index < len(part)}
    return {0: named.get(0, rejected.fault)} if len(part) == 1 else named
