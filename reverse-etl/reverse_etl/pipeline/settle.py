"""Stage 7, settle: outcomes → ledger entries, dead letters, waiting rows and counts.

Each list of outcomes is one transaction; one that changes nothing is none. Invariant: a hash is
stored only for a value that the CRM accepted or was seen to hold. A record that was never created
is `dead`; one that exists and refused an update stays `settled` with the hashes it had.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from reverse_etl.errors import RowError
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Changes, Entry, FieldMark, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.gone import gone_entry, is_news, left_entry, record_gone, was_gone
from reverse_etl.pipeline.guard import Guard
from reverse_etl.pipeline.held import held_entry, is_elsewhere, seen_entry, with_marks
from reverse_etl.pipeline.identity import held_by_another
from reverse_etl.pipeline.letters import letter, letters_of, waiting_write
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.plan import Plan
from reverse_etl.pipeline.put_off import PutOff
from reverse_etl.pipeline.refusals import Refusals
from reverse_etl.records import LEFT, CrmRecord, Outcome, Write

PlanAgain = Callable[[CompiledRule, list[CrmRecord]], None]


@dataclass(slots=True)
class Settlement:
    """One block of a rule while it is settled."""

    rule: CompiledRule
    entries: dict[str, Entry]
    """The entries of the block in their present state, by key."""
    outcomes: list[Outcome] = field(default_factory=list)
    """What is settled so far: the records whose links and files come next."""


@dataclass(frozen=True, slots=True)
class Settler:
    """Writes outcomes into the ledger and the counts."""

    ledger: Ledger
    outcomes: Outcomes
    put_off: PutOff
    refusals: Refusals
    guard: Guard
    plan_again: PlanAgain | None = None
    """Called with records that turn out to be gone; None leaves them."""
    _again: set[tuple[str, str]] = field(default_factory=set)
    """Objects and keys that were put off: each once a run."""
    _carried: set[tuple[str, str]] = field(default_factory=set)
    """Those of them whose update the CRM carried over to another record."""

    def open(self, rule: CompiledRule, plan: Plan) -> Settlement:
        """Settle what a plan decided without a call, and record the creates that it intends.

        The intent is in the ledger before anything is sent, so that the run after a kill knows to
        look the key up.
        """
        settlement = Settlement(rule, dict(plan.entries))
        pending = [
            intended(write.key, plan.entries.get(write.key))
            for write in plan.writes
            if write.kind == "create"
        ]
        self._count_writes(rule, plan.writes)
        self.settle(settlement, plan.outcomes, pending)
        return settlement

    def settle(
        self,
        settlement: Settlement,
        outcomes: Sequence[Outcome],
        pending: Sequence[Entry] = (),
    ) -> None:
        """Settle these outcomes, and intended creates with them, in one transaction.

        Refused rows are held back while the CRM has taken none of their rule.
        """
        rule = settlement.rule
        self._settle_refused(rule, self.refusals.release(rule))
        self._settle(settlement, self.refusals.sift(rule, outcomes), pending)
        self.guard.judge()

    def forget(self, settlement: Settlement, names: Mapping[str, Collection[str]]) -> None:
        """Forget what the CRM holds in these fields, by key, before a call that empties them."""
        known = [settlement.entries[key] for key in names if key in settlement.entries]
        self._replace(settlement, [entry.without(names[entry.key]) for entry in known])

    def recall(self, settlement: Settlement, marks: Mapping[str, Mapping[str, FieldMark]]) -> None:
        """Know again, by key, what was forgotten: the CRM holds it as before."""
        known = [settlement.entries[key] for key in marks if key in settlement.entries]
        self._replace(settlement, [with_marks(entry, marks[entry.key]) for entry in known])

    def _replace(self, settlement: Settlement, entries: list[Entry]) -> None:
        self.ledger.apply(Changes(settlement.rule.object, entries=entries))
        settlement.entries |= {entry.key: entry for entry in entries}

    def settle_held(self) -> None:
        """The end of the run: rows that were refused while none was taken are dead letters."""
        for rule, outcomes in self.refusals.release_all():
            self._settle_refused(rule, outcomes)

    def _settle_refused(self, rule: CompiledRule, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            keys = [outcome.record.key for outcome in outcomes if outcome.record is not None]
            entries = self.ledger.entries(rule.object, keys)
            self._settle(Settlement(rule, entries), outcomes)

    def _settle(
        self,
        settlement: Settlement,
        outcomes: Sequence[Outcome],
        pending: Sequence[Entry] = (),
    ) -> None:
        rule = settlement.rule
        changes = Changes(rule.object, entries=[*pending])
        outcomes = self._without_gone(settlement, outcomes, changes)
        outcomes = self._without_conflicts(settlement, outcomes, changes)
        for outcome in outcomes:
            self.outcomes.of(rule.object).settled(outcome.name)
            if outcome.record is not None:
                self._settle_record(settlement, outcome.record, outcome, changes)
                self._count_references(settlement, outcome.record, outcome)
            elif outcome.error is not None:
                changes.dead.append(letter(rule, outcome.source, outcome.stage, outcome.error))
            elif outcome.name in LEFT:
                changes.filtered.append((rule.name, outcome.source.key, outcome.source.observed_us))
        self.put_off.settle(rule, settlement.entries, outcomes, changes)
        self._forget_known_filtered(rule, changes)
        self.ledger.apply(changes)
        settlement.entries |= {entry.key: entry for entry in changes.entries}
        settlement.outcomes += outcomes

    def _without_conflicts(
        self, settlement: Settlement, outcomes: Sequence[Outcome], changes: Changes
    ) -> Sequence[Outcome]:
        """The outcomes, rejected where the CRM's record is that of another key.

        A write shows this only by its response. What it overwrote is sent again with the next
        version of the record that it belongs to.
        """
        gained = [outcome for outcome in outcomes if gains_id(settlement, outcome)]
        if not gained:
            return outcomes
        rule = settlement.rule
        holders = self.ledger.holders(rule.object, (str(gain.crm_id) for gain in gained))
        rejected: dict[str, Outcome] = {}
        for outcome in gained:
            key, crm_id = key_in(outcome), str(outcome.crm_id)
            if holders.setdefault(crm_id, key) == key or outcome.record is None:
                continue
            fault = held_by_another(rule, crm_id)
            rejected[key] = Outcome.rejection(outcome.record, "send", fault)
            changes.entries += self._overwritten(rule, outcome)
        return [rejected.get(key_in(outcome), outcome) for outcome in outcomes]

    def _without_gone(
        self, settlement: Settlement, outcomes: Sequence[Outcome], changes: Changes
    ) -> list[Outcome]:
        """The outcomes without records that are gone, or elsewhere, and are planned again.

        A record is planned again once a run. If the CRM finds it, and says again that something is
        gone, then it is something that the record refers to: the record is rejected.
        """
        rule = settlement.rule
        kept: list[Outcome] = []
        again: list[CrmRecord] = []
        for outcome in outcomes:
            if not self._carried and outcome.error is None and outcome.name != "updated":
                kept.append(outcome)  # the common case: it says nothing of where the record is
                continue
            record, name = outcome.record, (rule.object, key_in(outcome))
            entry = settlement.entries.get(key_in(outcome))
            carried = was_carried(outcome, entry)
            if carried:
                changes.entries += self._overwritten(rule, outcome)
            if record is None or not (was_gone(outcome, entry) or carried):
                kept.append(as_carried(outcome) if name in self._carried else outcome)
                self._carried.discard(name)
            elif self.plan_again is None:
                kept.append(Outcome.of("gone", record))
            elif name in self._again:
                kept.append(outcome)
            else:
                self._again.add(name)
                self._carried.update([name] if carried else ())
                again.append(record)
                changes.entries += gone_entry(entry)
        if again and self.plan_again is not None:
            self.plan_again(rule, again)
        return kept

    def _overwritten(self, rule: CompiledRule, outcome: Outcome) -> list[Entry]:
        """The entry that holds a CRM record without what the write of another key has changed."""
        crm_id = str(outcome.crm_id)
        key = self.ledger.holders(rule.object, [crm_id]).get(crm_id, key_in(outcome))
        entry = self.ledger.entries(rule.object, [key]).get(key)
        if key == key_in(outcome) or entry is None or outcome.name not in ("created", "updated"):
            return []
        marks = {name: mark for name, mark in entry.marks.items() if name not in outcome.accepted}
        return [replace(entry, marks=marks, fingerprints={})]

    def _forget_known_filtered(self, rule: CompiledRule, changes: Changes) -> None:
        """Filtered records that the ledger knows as filtered at that time need no write."""
        if changes.filtered:
            known = self.ledger.filtered.newest(rule.name, [key for _, key, _ in changes.filtered])
            changes.filtered = [row for row in changes.filtered if known.get(row[1], -1) < row[2]]

    def _settle_record(
        self, settlement: Settlement, record: CrmRecord, outcome: Outcome, changes: Changes
    ) -> None:
        entry = settlement.entries.get(record.key)
        if outcome.name == "filtered":
            self._settle_filtered(settlement, record, outcome, changes)
        elif outcome.holds:
            self._settle_held(settlement, record, outcome, changes)
            if outcome.refused is not None:
                changes.dead += letters_of(settlement.rule, record, "send", outcome.refused)
        elif outcome.name == "rejected":
            if entry is None or entry.state not in ("settled", "gone"):
                changes.entries.append(Entry(record.key, "dead"))
            error = outcome.error or RowError("unknown", "no reason was given")
            changes.dead += letters_of(settlement.rule, record, outcome.stage, error)
        elif outcome.name == "gone" and entry is not None:
            self._settle_gone(settlement.rule, record, entry, changes)
        elif outcome.name == "waiting" and outcome.missing is not None:
            changes.waiting.append(waiting_write(settlement.rule, record, outcome.missing))

    def _settle_gone(
        self, rule: CompiledRule, record: CrmRecord, entry: Entry, changes: Changes
    ) -> None:
        """A record that the CRM no longer has: what it says is kept for when it is restored."""
        left = left_entry(rule, record, entry)
        changes.entries += [left] if left != entry else []
        if is_news(self.ledger, rule, record, entry):
            changes.dead += letters_of(rule, record, "plan", record_gone(rule.object))

    def _settle_filtered(
        self, settlement: Settlement, record: CrmRecord, outcome: Outcome, changes: Changes
    ) -> None:
        """A record that leaves; its time is kept where there is no record that could hold it."""
        entry = settlement.entries.get(record.key)
        if entry is not None and entry.state == "settled":
            if record.leaving:
                self._settle_held(settlement, record, outcome, changes)
        elif record.leaving:
            source = record.source
            changes.filtered.append((settlement.rule.name, source.key, source.observed_us))

    def _settle_held(
        self, settlement: Settlement, record: CrmRecord, outcome: Outcome, changes: Changes
    ) -> None:
        """A record that the CRM holds: what it holds now, or since when it holds it."""
        entry = settlement.entries.get(record.key)
        held = held_entry(settlement.rule, record, outcome, entry, self.ledger.rows.clock)
        if held is not None:
            changes.entries.append(held)
            if held.moved and (entry is None or held.crm_id != entry.crm_id):
                self.outcomes.of(settlement.rule.object).worked("moved")
        elif entry is not None:
            seen = seen_entry(record, entry)
            changes.seen += [(entry, seen)] if seen is not entry else []

    def _count_writes(self, rule: CompiledRule, writes: Sequence[Write]) -> None:
        work = self.outcomes.of(rule.object)
        for write in writes:
            work.worked(write.kind)
            work.worked("kept_back", write.kept_back)

    def _count_references(
        self, settlement: Settlement, record: CrmRecord, outcome: Outcome
    ) -> None:
        """Count the links that travel with the write; others are counted when they are made."""
        if not record.links:
            return
        references = [
            link
            for link in record.links
            if link.form.form == "reference" and link not in outcome.unlinked
        ]
        if outcome.holds and outcome.name != "created":
            references = [link for link in references if not link.form.later]
        if outcome.name == "waiting":
            self.outcomes.links.planned(len(references))
            self.outcomes.links.settled("waiting", len(references))
        elif outcome.holds:
            for link in references:
                created = outcome.linked and outcome.name == "created"
                sent = not link.form.on_create and is_new(settlement, outcome, link.form.field)
                made = created or (outcome.linked and sent)
                self.outcomes.links.planned()
                self.outcomes.links.settled("made" if made else "kept")


def intended(key: str, entry: Entry | None) -> Entry:
    """The entry of a create that is about to be sent."""
    moved = entry is not None and (entry.moved or entry.state == "gone")
    return Entry(key, "pending", moved=moved)


def as_carried(outcome: Outcome) -> Outcome:
    """The outcome of a record that an update has reached already, by the id it had before."""
    return replace(outcome, name="updated") if outcome.name == "unchanged" else outcome


def was_carried(outcome: Outcome, entry: Entry | None) -> bool:
    """Returns True if the CRM carried an update over to the record that was merged into."""
    known = entry is not None and entry.state == "settled"
    return known and outcome.name == "updated" and is_elsewhere(outcome, entry)


def key_in(outcome: Outcome) -> str:
    """The key of an outcome's record; empty if it could not be mapped."""
    return outcome.record.key if outcome.record is not None else ""


def is_new(settlement: Settlement, outcome: Outcome, name: str) -> bool:
    """Returns True if an outcome brings another value of a field than the ledger knew."""
    entry = settlement.entries.get(key_in(outcome))
    mark = entry.marks.get(name) if entry is not None else None
    value = outcome.accepted.get(name)
    return name in outcome.accepted and (mark is None or mark.hash != hash_value(value))


def gains_id(settlement: Settlement, outcome: Outcome) -> bool:
    """Returns True if the ledger will know a record by a CRM id that it did not know it by."""
    if not outcome.holds or outcome.crm_id is None:
        return False
    entry = settlement.entries.get(key_in(outcome))
    return entry is None or entry.crm_id != outcome.crm_id
