"""What waits for the other end of a link: tried again at the start and the end of each run.

After `link_wait_days` it becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.errors import RowError
from reverse_etl.ledger import Changes, Ledger, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.objects import LinkForm
from reverse_etl.pipeline.letters import letter, waiting_source
from reverse_etl.pipeline.links import Linker, Pair
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.records import SourceRecord, WantedLink


@dataclass(frozen=True, slots=True)
class WaitingRoom:
    """Keeps what waits, and lets it go."""

    ledger: Ledger
    linker: Linker
    outcomes: Outcomes
    wait_days: float

    @property
    def run_id(self) -> str:
        """This run: what waits since then is counted as waiting already."""
        return self.ledger.scope.run_id

    def ready_writes(self, rule: CompiledRule) -> list[Waiting]:
        """Whole writes of a rule whose other end has come. They are open again in the counts."""
        waiting = [row for row in self.ledger.waiting.of(rule.name) if row.record is not None]
        parents = {
            to: self.ledger.crm_ids(to, (row.to_key for row in waiting if row.to_object == to))
            for to in {row.to_object for row in waiting}
        }
        ready = [row for row in waiting if row.to_key in parents[row.to_object]]
        writes = self.outcomes.of(rule.object)
        for row in ready:
            if row.run_id == self.run_id:
                writes.moved("waiting", None)
                self.outcomes.links.withdrawn("waiting", references(rule, row))
            else:
                writes.planned()
        return ready

    def sources(self, rule: CompiledRule, rows: Sequence[Waiting]) -> list[SourceRecord]:
        """The source records of waiting writes."""
        return [waiting_source(rule, row) for row in rows]

    def forget(self, rule: CompiledRule, rows: Sequence[Waiting]) -> None:
        """These no longer wait: they were tried."""
        done = [(rule.name, row.key, row.to_object) for row in rows]
        self.ledger.apply(Changes(rule.object, done_waiting=done))

    def retry_links(self, rule: CompiledRule) -> None:
        """Make waiting links of a rule whose other end has come. Raises: CrmError."""
        for _, form in rule.forms:
            if form.form == "association" or form.later:
                self._retry_form(rule, form)

    def _retry_form(self, rule: CompiledRule, form: LinkForm) -> None:
        waiting = [
            row
            for row in self.ledger.waiting.of(rule.name)
            if row.record is None and row.to_object == form.to
        ]
        parents = self.ledger.crm_ids(form.to, (row.to_key for row in waiting))
        ready = [row for row in waiting if row.to_key in parents]
        mine = self.ledger.claims.take(rule.object, (row.key for row in ready))
        entries = self.ledger.entries(rule.object, mine)
        pairs: list[Pair] = []
        for row in ready:
            entry = entries.get(row.key)
            if entry is None or entry.crm_id is None:
                continue
            if row.run_id == self.run_id:
                self.outcomes.links.moved("waiting", None)
            else:
                self.outcomes.links.planned()
            source = SourceRecord(rule.stream, row.source_key, {}, row.observed_us)
            link = WantedLink(form, row.to_key)
            pairs.append(Pair(row.key, link, entry.crm_id, parents[row.to_key], source))
        self.linker.make(rule, form, pairs, entries)
        self.ledger.claims.release(rule.object, mine)

    def expire(self, rule: CompiledRule) -> None:
        """What has waited too long becomes a dead letter."""
        limit = self.ledger.waiting.cutoff(self.wait_days)
        changes = Changes(rule.object)
        for row in self.ledger.waiting.of(rule.name):
            if row.since >= limit:
                continue
            error = RowError(
                "link_expired",
                f"it waited {self.wait_days:g} days for its {row.to_object}",
                f"find out why its {row.to_object} never came, fix that, "
                "and sync again with a full refresh",
            )
            changes.dead.append(letter(rule, waiting_source(rule, row), "link", error))
            changes.done_waiting.append((rule.name, row.key, row.to_object))
            self._count_expired(rule, row)
        self.ledger.apply(changes)

    def _count_expired(self, rule: CompiledRule, row: Waiting) -> None:
        """A link that expired, and the write that waited for it, if one did."""
        since_this_run = row.run_id == self.run_id
        if row.record is not None:
            writes = self.outcomes.of(rule.object)
            if since_this_run:
                writes.moved("waiting", "rejected")
            else:
                writes.planned()
                writes.settled("rejected")
        if since_this_run:
            self.outcomes.links.moved("waiting", "dead")
        else:
            self.outcomes.links.planned()
            self.outcomes.links.settled("dead")


def references(rule: CompiledRule, row: Waiting) -> int:
    """The number of reference links of a waiting write: they are counted again with it."""
    values = row.record or {}
    return sum(
        1 for path, form in rule.forms if form.form == "reference" and values.get(path) is not None
    )
