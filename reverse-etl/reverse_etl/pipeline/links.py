"""Links that are calls of their own, and everything that waits for the other end of a link.

A link is made once both ends are in the ledger; until then it waits there, is tried at the start and the end of each
run, and becomes a dead letter after `link_wait_days`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import BudgetSpentError, RowError
from reverse_etl.ledger import Entry, FieldMark, Ledger, Waiting
from reverse_etl.ledger.store import Changes
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.objects import LinkForm
from reverse_etl.pipeline.outcomes import Tally
from reverse_etl.pipeline.settle import HOLDS, letter
from reverse_etl.records import Fate, SourceRecord, WantedLink
from reverse_etl.values import canonical, hash_value


@dataclass(frozen=True, slots=True)
class Pair:
    """A link that can be made now."""

    key: str
    link: WantedLink
    from_id: str
    to_id: str
    source: SourceRecord


@dataclass(slots=True)
class Linker:
    """Makes association links and keeps what waits."""

    adapter: Adapter
    ledger: Ledger
    tally: Tally

    def link_block(
        self, rule: CompiledRule, fates: Sequence[Fate], entries: dict[str, Entry]
    ) -> None:
        """Links of a block whose records the CRM now holds."""
        wanted: dict[LinkForm, list[tuple[Fate, WantedLink]]] = {}
        for fate in fates:
            for link in fate.record.links:
                apart = link.form.form == "association" or (
                    link.form.later and fate.name != "created"
                )
                if apart and fate.name in HOLDS:
                    wanted.setdefault(link.form, []).append((fate, link))
        for form, both in wanted.items():
            self.tally.links["wanted"] += len(both)
            parents = self.ledger.crm_ids(form.to, (link.to_key for _, link in both))
            pairs, changes = [], Changes(rule.object)
            for fate, link in both:
                entry = entries[fate.record.key]
                mark = entry.marks.get(link.name)
                if (mark is not None and mark.hash == hash_value(link.to_key)) or self._refers(
                    rule, form, entry, parents.get(link.to_key)
                ):
                    self.tally.links["kept"] += 1
                elif link.to_key in parents and entry.crm_id is not None:
                    pairs.append(
                        Pair(
                            entry.key, link, entry.crm_id, parents[link.to_key], fate.record.source
                        )
                    )
                else:
                    self.tally.links["waiting"] += 1
                    source = fate.record.source
                    changes.waiting.append(
                        Waiting(
                            rule.name,
                            entry.key,
                            rule.object,
                            form.to,
                            link.to_key,
                            source.key,
                            source.observed_us,
                        )
                    )
            self.ledger.apply(changes)
            self.make(rule, form, pairs, entries)

    @staticmethod
    def _refers(rule: CompiledRule, form: LinkForm, entry: Entry, parent_id: str | None) -> bool:
        """Whether the record's own field is known to hold the other's id."""
        held = entry.marks.get(form.field) if form.later else None
        return (
            held is not None
            and parent_id is not None
            and held.hash == hash_value(canonical(rule.reference_infos[form.field], parent_id))
        )

    def make(
        self,
        rule: CompiledRule,
        form: LinkForm,
        pairs: Sequence[Pair],
        entries: Mapping[str, Entry],
    ) -> None:
        """Make links, a call's worth at a time, and settle each call."""
        for start in range(0, len(pairs), form.rows_a_call):
            part = pairs[start : start + form.rows_a_call]
            try:
                results = self.adapter.link(
                    rule.object, form, [(pair.from_id, pair.to_id) for pair in part]
                )
            except BudgetSpentError:
                self._put_off(rule, form, pairs[start:])
                return
            self.tally.of(rule.object).linked += len(part)
            changes = Changes(rule.object)
            for pair, result in zip(part, results, strict=True):
                if result.fault is None:
                    self.tally.links["made"] += 1
                    entry = entries[pair.key]
                    entry.marks[pair.link.name] = FieldMark(
                        hash_value(pair.link.to_key), pair.source.observed_us
                    )
                    changes.entries.append(entry)
                else:
                    self.tally.links["dead"] += 1
                    changes.dead.append(letter(rule, pair.source, "link", result.fault))
                changes.done_waiting.append((rule.name, pair.key, form.to))
            self.ledger.apply(changes)

    def _put_off(self, rule: CompiledRule, form: LinkForm, pairs: Sequence[Pair]) -> None:
        """Links for which no call is left wait for the next run."""
        changes = Changes(rule.object)
        for pair in pairs:
            waiting = Waiting(
                rule.name,
                pair.key,
                rule.object,
                form.to,
                pair.link.to_key,
                pair.source.key,
                pair.source.observed_us,
            )
            changes.waiting.append(waiting)
        self.tally.links["waiting"] += len(pairs)
        self.ledger.apply(changes)

    def retry_links(self, rule: CompiledRule, run_id: str) -> None:
        """Waiting links of a rule whose other end has come."""
        for _, form in rule.forms:
            if form.form != "association" and not form.later:
                continue
            waiting = [
                one
                for one in self.ledger.waiting(rule.name)
                if one.record is None and one.to_object == form.to
            ]
            parents = self.ledger.crm_ids(form.to, (one.to_key for one in waiting))
            mine = self.ledger.claims.take(
                rule.object, (one.key for one in waiting if one.to_key in parents)
            )
            waiting = [one for one in waiting if one.key in mine or one.to_key not in parents]
            entries = self.ledger.entries(rule.object, mine)
            pairs = []
            for one in waiting:
                entry = entries.get(one.key)
                if one.to_key not in parents or entry is None or entry.crm_id is None:
                    continue
                if one.run_id == run_id:
                    self.tally.links["waiting"] -= 1
                else:
                    self.tally.links["wanted"] += 1
                source = SourceRecord(rule.rule.stream, one.source_key, {}, one.observed_us)
                pairs.append(
                    Pair(
                        one.key,
                        WantedLink(form, one.to_key),
                        entry.crm_id,
                        parents[one.to_key],
                        source,
                    )
                )
            self.make(rule, form, pairs, entries)
            self.ledger.claims.release(rule.object, mine)

    def expire(self, rule: CompiledRule, wait_days: float, run_id: str) -> None:
        """What has waited too long becomes a dead letter."""
        limit = self.ledger.cutoff(wait_days)
        changes = Changes(rule.object)
        for one in self.ledger.waiting(rule.name):
            if one.since >= limit:
                continue
            hint = f"look why its {one.to_object} never came, mend that, and sync again with a full refresh"
            fault = RowError(
                "link_expired", f"it waited {wait_days:g} days for its {one.to_object}", hint
            )
            source = SourceRecord(
                rule.rule.stream, one.source_key, one.record or {}, one.observed_us
            )
            changes.dead.append(letter(rule, source, "link", fault))
            changes.done_waiting.append((rule.name, one.key, one.to_object))
            self._count_expired(rule, one, run_id)
        self.ledger.apply(changes)

    def _count_expired(self, rule: CompiledRule, one: Waiting, run_id: str) -> None:
        of_this_run = one.run_id == run_id
        if one.record is not None:
            tally = self.tally.of(rule.object)
            tally.fates["dead"] += 1
            if of_this_run:
                tally.fates["waiting"] -= 1
            else:
                tally.planned += 1
        if of_this_run:
            self.tally.links["waiting"] -= 1
        else:
            self.tally.links["wanted"] += 1
        self.tally.links["dead"] += 1


def waiting_source(rule: CompiledRule, one: Waiting) -> SourceRecord:
    """The source record of a waiting write."""
    return SourceRecord(rule.rule.stream, one.source_key, one.record or {}, one.observed_us)
