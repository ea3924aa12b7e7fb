"""Errors of ours in a row: a bug that meets many records is a cause of the run, not of the records.

At one record such an error is a dead letter (`internal`). `MOST_IN_A_ROW` of them in a row end the
run before any of their block is settled, so that no STATE passes them. Records that have an open
dead letter do not count: a letter that is met again says nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reverse_etl.errors import INTERNAL, FatalError, RowError

MOST_IN_A_ROW = 50
HINT = "Please report this. What was delivered is in the ledger, and nothing was skipped."

OpenKeys = Callable[[str, Iterable[str]], set[str]]
"""Source keys, of those given, that have an open dead letter of a rule."""


@dataclass(slots=True)
class InternalErrors:
    """Counts them, by rule, across blocks."""

    open_keys: OpenKeys
    _in_a_row: dict[str, set[str]] = field(default_factory=dict)
    """By rule: the source keys of the records that the errors were met at."""

    def note(self, rule_name: str, results: Iterable[tuple[str, RowError | None]]) -> None:
        """Take notice of the results of records, by source key, in their order.

        Raises: FatalError if too many errors of ours come in a row.
        """
        in_a_row = self._in_a_row.setdefault(rule_name, set())
        results = list(results)
        met = [key for key, error in results if error is not None and error.code == INTERNAL]
        known = self.open_keys(rule_name, met) if met else set()
        for key, error in results:
            if error is None or error.code != INTERNAL:
                in_a_row.clear()
            elif key not in known:
                in_a_row.add(key)
                if len(in_a_row) >= MOST_IN_A_ROW:
                    raise FatalError(
                        f"{rule_name}: {MOST_IN_A_ROW} records in a row met {error.message}.", HINT
                    )
