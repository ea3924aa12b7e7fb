"""What waits for the other end of a link: tried again at the start and the end of each run.

After `link_wait_days` it becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.errors import RowError
from reverse_etl.ledger import Changes, Ledger, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.link_rules import SEPARATOR
from reverse_etl.objects import LinkForm
from reverse_etl.pipeline.letter_retries import LINK_EXPIRED
from reverse_etl.pipeline.letters import expired_letter, sources
from reverse_etl.pipeline.links import Linker, Pair, is_outdated
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.parents import Parents
from reverse_etl.pipeline.put_off import PutOff, references
from reverse_etl.records import WantedLink


@dataclass(frozen=True, slots=True)
class WaitingRoom:
    """Keeps what waits, and lets it go."""

    ledger: Ledger
    linker: Linker
    outcomes: Outcomes
    parents: Parents
    put_off: PutOff
    wait_days: float

    @property
    def run_id(self) -> str:
        """This run: what waits since then is counted as waiting already."""
        return self.ledger.scope.run_id

    def ready_writes(self, rule: CompiledRule) -> list[Waiting]:
        """Writes of a rule whose other end has come. They are open again in the counts.

        Raises: CrmError.
        """
        tried = self.put_off.reopened
        rows = self.ledger.waiting.of(rule.name)
        waiting = [row for row in rows if row.whole and not row.is_masked and row.name not in tried]
        ready = first_of_each_key(self._ready(rule, waiting))
        in_crm = self._in_crm(rule, ready)
        writes = self.outcomes.of(rule.object)
        for row in ready:
            self.put_off.reopened.add(row.name)
            if row.run_id != self.run_id:
                writes.planned()
            elif row.key in in_crm:  # only its link waits: setting it is a write of its own
                writes.planned()
                self.outcomes.links.withdrawn("waiting", 1)
            else:
                writes.moved("waiting", None)
                self.outcomes.links.withdrawn("waiting", references(rule, row))
        return ready

    def _ready(self, rule: CompiledRule, waiting: Sequence[Waiting]) -> list[Waiting]:
        """What waits no longer. Raises: CrmError."""
        links = links_of(rule, waiting)
        ids = self.parents.of(rule.object, links.values())
        return [row for row in waiting if (row.to_object, row.to_key) in ids]

    def _in_crm(self, rule: CompiledRule, rows: Sequence[Waiting]) -> set[str]:
        """Keys of rows whose record is in the CRM, so that only a link of it waits."""
        entries = self.ledger.entries(rule.object, {row.key for row in rows})
        return {key for key, entry in entries.items() if entry.state == "settled"}

    def forget(self, rule: CompiledRule, rows: Sequence[Waiting]) -> None:
        """These no longer wait: they were tried. What was settled has ended its row already."""
        done = [row.name for row in rows if row.name in self.put_off.reopened]
        self.put_off.reopened.difference_update(done)
        self.ledger.apply(Changes(rule.object, done_waiting=done))

    def retry_links(self, rule: CompiledRule) -> None:
        """Make waiting links of a rule whose other end has come. Raises: CrmError."""
        for form in rule.forms:
            if form.form == "association" or form.later:
                self._retry_form(rule, form)

    def _retry_form(self, rule: CompiledRule, form: LinkForm) -> None:
        waiting = [
            row
            for row in self.ledger.waiting.of(rule.name)
            if not row.whole and row.to_object == form.name
        ]
        ids = self.parents.of(rule.object, links_of(rule, waiting).values())
        ready = [row for row in waiting if (form.name, row.to_key) in ids]
        mine = self.ledger.claims.take(rule.object, (row.key for row in ready))
        entries = self.ledger.entries(rule.object, mine)
        pairs: list[Pair] = []
        outdated = Changes(rule.object)
        for row in ready:
            entry = entries.get(row.key)
            if entry is None or entry.crm_id is None:
                continue
            if row.run_id == self.run_id:
                self.outcomes.links.moved("waiting", None)
            else:
                self.outcomes.links.planned()
            link = WantedLink(form, row.to_key)
            if is_outdated(entry, link, row.observed_us):
                outdated.done_waiting.append(row.name)
                self.outcomes.links.settled("kept")
                continue
            *_, source = sources(rule.stream, row.versions)
            parent_id = ids[(form.name, row.to_key)]
            pairs.append(Pair(row.key, link, entry.crm_id, parent_id, source))
        self.ledger.apply(outdated)
        self.linker.moved.remove(rule, self.linker.make(rule, form, pairs, entries))
        self.ledger.claims.release(rule.object, mine)

    def expire(self, rule: CompiledRule) -> None:
        """What has waited too long becomes a dead letter."""
        limit = self.ledger.waiting.cutoff(self.wait_days)
        expired = [row for row in self.ledger.waiting.of(rule.name) if row.since < limit]
        in_crm = self._in_crm(rule, expired)
        changes = Changes(rule.object)
        for row in expired:
            to_object = row.to_object.partition(SEPARATOR)[0]
            error = RowError(
                LINK_EXPIRED,
                f"it waited {self.wait_days:g} days for its {to_object}",
                f"find out why its {to_object} never came, fix that, "
                "and run again once it is in the CRM",
            )
            changes.dead.append(expired_letter(rule, row, error))
            changes.done_waiting.append(row.name)
            whole = row.whole and row.key not in in_crm
            self._count_expired(rule, row, whole=whole)
        self.ledger.apply(changes)

    def _count_expired(self, rule: CompiledRule, row: Waiting, *, whole: bool) -> None:
        """A link that expired, and the write that waited for it, if one did."""
        since_this_run = row.run_id == self.run_id
        if whole:
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


def links_of(rule: CompiledRule, rows: Sequence[Waiting]) -> dict[str, WantedLink]:
    """The links that rows wait for, by the rows' names; not of links the rule no longer has."""
    forms = {form.name: form for form in rule.forms}
    return {
        f"{row.to_object}/{row.to_key}": WantedLink(forms[row.to_object], row.to_key)
        for row in rows
        if row.to_object in forms
    }


def first_of_each_key(rows: Sequence[Waiting]) -> list[Waiting]:
    """A row of each record: a record that waits for several links is tried once."""
    first: dict[str, Waiting] = {}
    for row in rows:
        first.setdefault(row.key, row)
    return list(first.values())
