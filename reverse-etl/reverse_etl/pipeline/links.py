"""Links that are calls of their own. One whose other end is not in the ledger yet waits there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from reverse_etl.crm.adapter import Adapter, RowResult
from reverse_etl.ledger import Changes, Entry, FieldMark, Ledger, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.objects import LinkForm
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.ends import end_hash, is_gone, is_linked, moved_id
from reverse_etl.pipeline.held import with_marks
from reverse_etl.pipeline.letters import letter, waiting_link, waiting_write
from reverse_etl.pipeline.moved_links import MovedLinks, moved_to
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.parents import Ids, Parents
from reverse_etl.pipeline.settle import Settlement
from reverse_etl.records import Outcome, SourceRecord, WantedLink


@dataclass(frozen=True, slots=True)
class Pair:
    """A link that can be made now."""

    key: str
    link: WantedLink
    from_id: str
    to_id: str
    source: SourceRecord


@dataclass(frozen=True, slots=True)
class Linker:
    """Makes the links of settled records."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    control: RunControl
    parents: Parents

    @property
    def moved(self) -> MovedLinks:
        """Removes what the links that are made leave behind."""
        return MovedLinks(self.adapter, self.ledger, self.outcomes, self.control)

    def link(self, settlement: Settlement) -> None:
        """Make the links of a block whose records the CRM holds. Raises: CrmError."""
        self._put_off_references(settlement)
        touched: set[str] = set()
        for form, wanted in wanted_links(settlement.outcomes).items():
            self.outcomes.links.planned(len(wanted))
            ids = self._ids(settlement.rule, [link for _, link in wanted])
            waits = self._waiting(settlement.rule, form, wanted)
            pairs: list[Pair] = []
            kept: list[str] = []
            changes = Changes(settlement.rule.object)
            for outcome, link in wanted:
                entry = settlement.entries[key_of(outcome)]
                parent_id = ids.get((form.name, link.to_key))
                moved_to = moved_id(self.ledger, link)
                gone = is_gone(self.ledger, link)
                observed_us = seen_us(outcome, link)
                row = waits.get(entry.key)
                if is_outdated(entry, link, observed_us):
                    self.outcomes.links.settled("kept")
                elif not gone and is_linked(settlement.rule, entry, link, parent_id, moved_to):
                    self.outcomes.links.settled("kept")
                    kept.append(entry.key)
                    if row is not None and row.observed_us <= observed_us:
                        changes.done_waiting.append(row.name)
                        self._count_older(row)
                elif row is not None and row.observed_us > observed_us:
                    self.outcomes.links.settled("kept")  # a newer link waits in its place
                elif parent_id is not None and entry.crm_id is not None:
                    source = source_of(outcome, link)
                    pairs.append(Pair(entry.key, link, entry.crm_id, parent_id, source))
                    self._count_older(row)
                elif not self._is_hopeless(settlement.rule, link, outcome.source, changes):
                    self.outcomes.links.settled("waiting")
                    source = source_of(outcome, link)
                    changes.waiting.append(waiting_link(settlement.rule, entry.key, link, source))
                    self._count_older(row)
            self.ledger.apply(changes)
            settlement.entries |= self.make(settlement.rule, form, pairs, settlement.entries)
            touched |= {*kept, *(pair.key for pair in pairs)}
        entries = {key: settlement.entries[key] for key in touched}
        settlement.entries |= self.moved.remove(settlement.rule, entries)

    def _waiting(
        self, rule: CompiledRule, form: LinkForm, wanted: Sequence[tuple[Outcome, WantedLink]]
    ) -> dict[str, Waiting]:
        """The links of this form that wait already, by the key of their record."""
        rows = self.ledger.waiting.of_keys(rule.name, [key_of(outcome) for outcome, _ in wanted])
        return {row.key: row for row in rows if row.to_object == form.name and not row.whole}

    def _count_older(self, row: Waiting | None) -> None:
        """A link that waits no longer, or again: a newer one takes its place in the counts."""
        if row is not None and row.run_id == self.ledger.scope.run_id:
            self.outcomes.links.moved("waiting", "kept")

    def _ids(self, rule: CompiledRule, links: Sequence[WantedLink]) -> Ids:
        """The CRM ids of the other ends; none are known once the budget is spent."""
        with self.control.within_budget():
            return self.parents.of(rule.object, links)
        return {}

    def _put_off_references(self, settlement: Settlement) -> None:
        """Links that a record went out without wait, with the record that will bring them."""
        rule = settlement.rule
        changes = Changes(rule.object)
        for outcome in settlement.outcomes:
            if outcome.record is None or not outcome.holds:
                continue
            for link in outcome.unlinked:
                if link.form.later:
                    continue
                self.outcomes.links.planned()
                entry = settlement.entries[key_of(outcome)]
                if is_outdated(entry, link, seen_us(outcome, link)):
                    self.outcomes.links.settled("kept")
                elif not self._is_hopeless(rule, link, outcome.source, changes):
                    self.outcomes.links.settled("waiting")
                    changes.waiting.append(waiting_write(rule, outcome.record, link))
        self.ledger.apply(changes)

    def _is_hopeless(
        self, rule: CompiledRule, link: WantedLink, source: SourceRecord, changes: Changes
    ) -> bool:
        """Returns True if waiting cannot help a link: it is then a dead letter."""
        fault = self.parents.fault(link)
        if fault is None:
            return False
        self.outcomes.links.settled("dead")
        changes.dead.append(letter(rule, source, "link", fault))
        return True

    def make(
        self,
        rule: CompiledRule,
        form: LinkForm,
        pairs: Sequence[Pair],
        entries: Mapping[str, Entry],
    ) -> dict[str, Entry]:
        """Make links, a call's worth at a time, and settle each call; returns changed entries.

        Raises: CrmError.
        """
        changed: dict[str, Entry] = {}
        for start in range(0, len(pairs), form.rows_a_call):
            results = self._call(rule, form, pairs[start : start + form.rows_a_call])
            if results is None:
                self._put_off(rule, pairs[start:])
                break
            changed |= self._settle(rule, form, results, {**entries, **changed})
        return changed

    def _call(
        self, rule: CompiledRule, form: LinkForm, pairs: Sequence[Pair]
    ) -> list[tuple[Pair, RowResult]] | None:
        """The CRM's result for each link of one call; None if no call is left. Raises: CrmError."""
        if not self.control.may_call():
            return None
        ids = [(pair.from_id, pair.to_id) for pair in pairs]
        with self.control.within_budget():
            results = self.adapter.link(rule.object, form, ids)
            self.outcomes.of(rule.object).worked("linked", len(pairs))
            return list(zip(pairs, results, strict=True))
        return None

    def _settle(
        self,
        rule: CompiledRule,
        form: LinkForm,
        results: Sequence[tuple[Pair, RowResult]],
        entries: Mapping[str, Entry],
    ) -> dict[str, Entry]:
        """Record what became of the links of one call; returns changed entries."""
        changed: dict[str, Entry] = {}
        changes = Changes(rule.object)
        for pair, result in results:
            changes.done_waiting.append((rule.name, pair.key, form.name))
            if result.fault is not None:
                self.outcomes.links.settled("dead")
                changes.dead.append(letter(rule, pair.source, "link", result.fault))
                continue
            self.outcomes.links.settled("made")
            end = end_hash(pair.link, moved_id(self.ledger, pair.link))
            mark = FieldMark(end, pair.source.observed_us)
            entry = changed.get(pair.key, entries[pair.key])
            changed[pair.key] = with_marks(entry, {pair.link.name: mark})
            if self.adapter.unlinking is not None:
                changed[pair.key] = moved_to(changed[pair.key], pair.link.name, pair.to_id)
        changes.entries += changed.values()
        self.ledger.apply(changes)
        return changed

    def _put_off(self, rule: CompiledRule, pairs: Sequence[Pair]) -> None:
        """Links for which no call is left wait for the next run."""
        changes = Changes(rule.object)
        changes.waiting += [waiting_link(rule, pair.key, pair.link, pair.source) for pair in pairs]
        self.outcomes.links.settled("waiting", len(pairs))
        self.ledger.apply(changes)


def wanted_links(
    outcomes: Sequence[Outcome],
) -> dict[LinkForm, list[tuple[Outcome, WantedLink]]]:
    """Links that may need a call, of records that the CRM holds, by form."""
    wanted: dict[LinkForm, list[tuple[Outcome, WantedLink]]] = {}
    for outcome in outcomes:
        if outcome.record is None or not outcome.holds:
            continue
        for link in outcome.record.links:
            # A record that was just created carried its references with it.
            later = link.form.later and (outcome.name != "created" or link in outcome.unlinked)
            if link.form.form == "association" or later:
                wanted.setdefault(link.form, []).append((outcome, link))
    return wanted


def seen_us(outcome: Outcome, link: WantedLink) -> int:
    """When the source was seen to hold a link, which an older version may have brought."""
    record = outcome.record
    return outcome.source.observed_us if record is None else record.seen_us(link.name)


def source_of(outcome: Outcome, link: WantedLink) -> SourceRecord:
    """The source record, with the time at which it was seen to hold the link."""
    return replace(outcome.source, observed_us=seen_us(outcome, link))


def is_outdated(entry: Entry, link: WantedLink, observed_us: int) -> bool:
    """Returns True if the ledger knows a newer link in a link's place, or in its field."""
    marks = (entry.marks.get(name) for name in (link.name, link.form.field))
    return any(mark is not None and mark.observed_us > observed_us for mark in marks)


def key_of(outcome: Outcome) -> str:
    """The key of an outcome's record."""
    return outcome.record.key if outcome.record is not None else ""
