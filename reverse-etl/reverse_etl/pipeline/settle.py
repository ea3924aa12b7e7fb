"""Stage 7, settle: fates → ledger rows, dead letters, waiting rows and counts, in one transaction.

Invariant: a hash is stored only for a value the CRM accepted or was seen to hold; a record that was never created is
`dead`, one that exists and refused an update stays `settled` with the hashes it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.scrub import scrub
from reverse_etl.errors import RowError
from reverse_etl.ledger import DeadLetter, Entry, FieldMark, Ledger, Waiting
from reverse_etl.ledger.store import Changes
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.pipeline.outcomes import Tally
from reverse_etl.pipeline.receive import Invalid
from reverse_etl.records import CrmRecord, Fate, SourceRecord, Write
from reverse_etl.values import hash_value

HOLDS = ("created", "updated", "unchanged", "kept_by_crm", "superseded")
"""Fates after which the CRM is known to hold the record."""


@dataclass(slots=True)
class Settler:
    """Writes fates into the ledger and the tally."""

    ledger: Ledger
    tally: Tally

    def intend(
        self, rule: CompiledRule, writes: Sequence[Write], entries: dict[str, Entry]
    ) -> None:
        """Note creates before they are sent, so that a killed run is known to have meant them."""
        pending = []
        for write in writes:
            if write.kind == "create":
                entries[write.key] = Entry(write.key, "pending")
                pending.append(entries[write.key])
        if pending:
            self.ledger.apply(Changes(rule.object, entries=pending))

    def settle(self, rule: CompiledRule, fates: Sequence[Fate], entries: dict[str, Entry]) -> None:
        """One transaction for these fates."""
        changes = Changes(rule.object)
        accepted = [fate.record.source.key for fate in fates if fate.name in HOLDS]
        were_dead = self.ledger.dead_keys(rule.name, accepted) if accepted else set()
        for fate in fates:
            self.tally.of(rule.object).fates[fate.name] += 1
            source_key = fate.record.source.key
            if fate.name in HOLDS:
                self._hold(rule, fate, entries, changes)
                if source_key in were_dead:
                    changes.closed.append((rule.name, source_key))
            elif fate.name == "dead":
                self._die(rule, fate, entries, changes)
            elif fate.name == "waiting":
                changes.waiting.append(waiting_write(rule, fate))
            elif fate.name == "filtered" and fate.record.leaving:
                self._hold(rule, fate, entries, changes)
            self._count_links(rule, fate)
        self.ledger.apply(changes)

    def _hold(
        self, rule: CompiledRule, fate: Fate, entries: dict[str, Entry], changes: Changes
    ) -> None:
        record = fate.record
        entry = entries.get(record.key)
        if entry is None:
            if fate.crm_id is None:
                return
            entry = Entry(record.key, "settled")
        elif (
            fate.name in ("unchanged", "filtered")
            and entry.fingerprints.get(rule.name) == record.fingerprint
            and not fate.accepted
        ):
            return
        entry.state, entry.crm_id = "settled", fate.crm_id or entry.crm_id
        entry.fingerprints.pop(rule.name, None)
        if fate.whole:
            entry.fingerprints[rule.name] = record.fingerprint
        for name, value in fate.accepted.items():
            mark = FieldMark(hash_value(value), record.seen_us(name))
            before = entry.marks.get(name)
            if (
                before is not None and before.hash != mark.hash
            ):  # what other rules last sent no longer stands as they know it
                entry.fingerprints = {
                    name: own for name, own in entry.fingerprints.items() if name == rule.name
                }
            entry.marks[name] = mark
        entries[record.key] = entry
        changes.entries.append(entry)

    def _die(
        self, rule: CompiledRule, fate: Fate, entries: dict[str, Entry], changes: Changes
    ) -> None:
        record = fate.record
        entry = entries.get(record.key)
        if entry is None or entry.state != "settled":
            entries[record.key] = Entry(record.key, "dead")
            changes.entries.append(entries[record.key])
        fault = fate.fault or RowError("unknown", "no reason was given")
        changes.dead += [
            letter(rule, source, fate.stage, fault) for source in (*record.collapsed, record.source)
        ]

    def _count_links(self, rule: CompiledRule, fate: Fate) -> None:
        """Reference links travel with the write; the others are `linking`'s."""
        references = [link for link in fate.record.links if link.form.form == "reference"]
        if fate.name in HOLDS and fate.name != "created":
            references = [link for link in references if not link.form.later]
        if not references:
            return
        if fate.name == "waiting":
            self.tally.links.update(wanted=len(references), waiting=len(references))
        elif fate.name in HOLDS:
            for link in references:
                made = (
                    fate.linked
                    and (fate.name == "created" or link.form.field in fate.accepted)
                    and not link.form.on_create
                )
                made = made or (fate.linked and fate.name == "created")
                self.tally.links.update(wanted=1, **{"made" if made else "kept": 1})

    def settle_invalid(self, rule: CompiledRule, invalid: Sequence[Invalid]) -> None:
        """An invalid record is dead once for each rule of its stream."""
        changes = Changes(rule.object)
        for one in invalid:
            source = SourceRecord(rule.rule.stream, one.key, one.raw, one.observed_us)
            changes.dead.append(letter(rule, source, "receive", one.fault))
        self.tally.of(rule.object).fates["dead"] += len(invalid)
        self.ledger.apply(changes)

    def settle_unmappable(
        self,
        rule: CompiledRule,
        failed: Sequence[tuple[SourceRecord, RowError]],
        filtered: int,
        awaited: int,
    ) -> None:
        """Records the rule could not map, the number that `where` filtered, and of those that another stream will bring."""
        changes = Changes(rule.object)
        for source, fault in failed:
            changes.dead.append(letter(rule, source, "map", fault))
        self.tally.of(rule.object).fates["dead"] += len(failed)
        self.tally.of(rule.object).fates["filtered"] += filtered
        self.tally.of(rule.object).fates["waiting"] += awaited
        self.ledger.apply(changes)


def letter(rule: CompiledRule, source: SourceRecord, stage: str, fault: RowError) -> DeadLetter:
    """A dead letter; a vendor's message is scrubbed of the record's values."""
    message = scrub(fault.message, source.values) if stage == "send" else fault.message
    hint = fault.hint or "look at the record and the CRM field, mend one of them, and sync again"
    return DeadLetter(
        rule.name,
        source.key,
        source.stream,
        rule.object,
        stage,
        fault.code,
        message,
        hint,
        dict(source.values),
        source.observed_us,
    )


def waiting_write(rule: CompiledRule, fate: Fate) -> Waiting:
    """A write that waits for the other end of its link."""
    assert fate.missing is not None
    record: CrmRecord = fate.record
    values: Mapping[str, object] = record.source.values
    link = fate.missing
    return Waiting(
        rule.name,
        record.key,
        rule.object,
        link.form.to,
        link.to_key,
        record.source.key,
        record.observed_us,
        values,
    )
