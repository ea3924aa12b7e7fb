"""What was put off of a record, when its next outcome is settled: waiting rows and dead letters.

Both give way to an outcome that is not older, `filtered` included. A waiting write went into the
record as one of its versions (`Unchanged`), so that nothing of it is lost with the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reverse_etl.ledger import Changes, DeadLetter, Entry, Ledger, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.versions import is_superseded
from reverse_etl.records import LEFT, Outcome


@dataclass(frozen=True, slots=True)
class PutOff:
    """Ends what waits, and closes letters, once something newer is known."""

    ledger: Ledger
    outcomes: Outcomes
    reopened: set[tuple[str, str, str]] = field(default_factory=set)
    """Waiting rows that are being tried: they are open in the counts already."""

    def settle(
        self,
        rule: CompiledRule,
        entries: Mapping[str, Entry],
        outcomes: Sequence[Outcome],
        changes: Changes,
    ) -> None:
        """Add to the changes what these outcomes end. `entries` are those of before."""
        final = [outcome for outcome in outcomes if is_final(outcome)]
        if not final:
            return
        self._end_writes(rule, entries, final, changes)
        self._end_filtered(rule, entries, final, changes)
        self._close_letters(rule, entries, final, changes)

    # Waiting rows

    def _end_writes(
        self,
        rule: CompiledRule,
        entries: Mapping[str, Entry],
        outcomes: Sequence[Outcome],
        changes: Changes,
    ) -> None:
        """Rows of the same CRM record. What goes on waiting stays, with the time it began."""
        by_key = {outcome.record.key: outcome for outcome in outcomes if outcome.record is not None}
        for row in self.ledger.waiting.of_keys(rule.name, by_key):
            outcome = by_key[row.key]
            record = outcome.record
            if record is None or row.observed_us > record.observed_us:
                continue
            if row.whole or record.leaving:
                waits_on = {link.form.name for link in outcome.unlinked}
                if outcome.missing is not None:
                    waits_on.add(outcome.missing.form.name)
                self._end(rule, row, entries, changes, goes_on=row.to_object in waits_on)

    def _end_filtered(
        self,
        rule: CompiledRule,
        entries: Mapping[str, Entry],
        outcomes: Sequence[Outcome],
        changes: Changes,
    ) -> None:
        """Rows of source records that were filtered; other versions in them go on waiting."""
        filtered = newest_left(outcomes)
        for row in self.ledger.waiting.of_sources(rule.name, filtered):
            if row.observed_us > filtered[row.source_key] or row.name in changes.done_waiting:
                continue
            others = [version for version in row.earlier if version.key != row.source_key]
            if not others:
                self._end(rule, row, entries, changes, goes_on=False)
                continue
            *earlier, newest = others
            changes.done_waiting.append(row.name)
            changes.waiting.append(
                replace(
                    row, source_key=newest.key, observed_us=newest.observed_us,
                    record=newest.record, earlier=tuple(earlier),
                )
            )  # fmt: skip

    def _end(
        self,
        rule: CompiledRule,
        row: Waiting,
        entries: Mapping[str, Entry],
        changes: Changes,
        *,
        goes_on: bool,
    ) -> None:
        if not goes_on:
            changes.done_waiting.append(row.name)
        if row.name in self.reopened:
            self.reopened.discard(row.name)
        elif row.run_id == self.ledger.scope.run_id:
            entry = entries.get(row.key)
            in_crm = entry is not None and entry.state == "settled"
            self._count_again(rule, row, in_crm=in_crm)

    def _count_again(self, rule: CompiledRule, row: Waiting, *, in_crm: bool) -> None:
        """A row of this run was counted as waiting: now it is part of a newer record."""
        if in_crm or not row.whole:
            self.outcomes.links.withdrawn("waiting", 1)
            return
        self.outcomes.of(rule.object).moved("waiting", "collapsed")
        self.outcomes.links.withdrawn("waiting", references(rule, row))

    # Dead letters

    def _close_letters(
        self,
        rule: CompiledRule,
        entries: Mapping[str, Entry],
        outcomes: Sequence[Outcome],
        changes: Changes,
    ) -> None:
        """Close the letters that have nothing left to send, those of this very block included."""
        if not changes.dead and not self.ledger.letters.any(rule.name):
            return  # the common case
        filtered = newest_left(outcomes)
        opened = {letter.key for letter in changes.dead}
        records = {
            source.key: outcome.record
            for outcome in outcomes
            if outcome.record is not None and outcome.name != "rejected"
            if outcome.refused is None
            for source in outcome.record.sources
            if outcome.name != "gone" or source.key not in opened
        }
        settled = {**entries, **{entry.key: entry for entry in changes.entries}}
        for letter in self._letters(rule, [*filtered, *records], changes.dead):
            record = records.get(letter.key)
            is_filtered = filtered.get(letter.key, -1) >= letter.observed_us
            if is_filtered or (
                record is not None and is_superseded(rule, letter, record, settled.get(record.key))
            ):
                changes.closed.append((rule.name, letter.key))

    def _letters(
        self, rule: CompiledRule, keys: Iterable[str], dead: Sequence[DeadLetter]
    ) -> list[DeadLetter]:
        """The letters of these source keys as they will be after the block."""
        wanted = dict.fromkeys(keys)
        letters = self.ledger.letters.of_sources(rule.name, wanted)
        for letter in dead:
            if letter.key in wanted:
                known = letters.get(letter.key)
                letters[letter.key] = letter if known is None else letter.joined(known)
        return list(letters.values())


def is_final(outcome: Outcome) -> bool:
    """Returns True if an outcome says what becomes of what was put off before."""
    if outcome.name in ("not_attempted", "collapsed", "mode", "changed_since_plan"):
        return False
    return outcome.record is not None or outcome.name in LEFT


def newest_left(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """When source records that are no longer wanted were seen last, by source key."""
    newest: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.name in LEFT:
            source = outcome.source
            newest[source.key] = max(source.observed_us, newest.get(source.key, 0))
    return newest


def references(rule: CompiledRule, row: Waiting) -> int:
    """The number of reference links of a waiting write: they are counted again with it."""
    values = row.record or {}
    return sum(
        1 for link in rule.links if link.form.form == "reference" and link.key(values) is not None
    )
