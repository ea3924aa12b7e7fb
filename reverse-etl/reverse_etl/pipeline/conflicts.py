"""Values that another record holds: they cost the field, and are tried again at the end of the run.

The record that holds a value may give it up later in the same run. What is still in conflict then
stays a dead letter, which later runs try (`letter_retries`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from reverse_etl.crm.adapter import Hit, RowResult
from reverse_etl.errors import RowError, TakenError
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Entry, FieldMark, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.batch import batches
from reverse_etl.pipeline.letters import sources
from reverse_etl.pipeline.moves import hashes_of, in_order, unique_fields, with_unknown_values
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.plan import Plan
from reverse_etl.pipeline.send import Sender, outcome_of
from reverse_etl.pipeline.settle import Settlement, Settler
from reverse_etl.records import CrmRecord, Outcome, OutcomeName, SourceRecord, Write

CONFLICT = "identity_conflict"

Place = tuple[str, str, bytes]
"""An object, a field, and the hash of a value in it."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record of which something is in conflict."""

    counted_as: OutcomeName
    source_keys: tuple[str, ...]
    wants: frozenset[Place]


@dataclass(slots=True)
class Conflicts:
    """Sends writes so that values of unique fields can move, and remembers those that could not."""

    ledger: Ledger
    outcomes: Outcomes
    sender: Sender
    settler: Settler
    _given_up: set[Place] = field(default_factory=set)
    """Values that records were to give up in this run."""
    _open: dict[str, dict[str, Conflict]] = field(default_factory=dict)
    """By rule and key of the record."""
    _tried: dict[tuple[str, str], OutcomeName] = field(default_factory=dict)
    """By rule and key: as what records were counted that are being tried again."""
    _sent: dict[str, Write] = field(default_factory=dict)
    """By key: the writes of the present step."""
    _again: list[Write] = field(default_factory=list)
    """Those of them that are sent again, without a refused field."""
    _unknown: dict[str, dict[str, str]] = field(default_factory=dict)
    """By rule and key: the CRM ids of records whose refused field holds a forgotten value."""
    _former_values: dict[str, Write] = field(default_factory=dict)
    """By key: what writes back the values of emptied fields that have got no new one yet."""

    # Sending

    def steps(
        self, settlement: Settlement, writes: Sequence[Write]
    ) -> Iterator[Iterator[list[Write]]]:
        """The batches of each step of an order in which values can move. Raises: CrmError.

        The outcomes of a step go through `checked` before the next one is asked for: rows with a
        refused field are then sent again without it.
        """
        rule = settlement.rule
        order = in_order(unique_fields(rule), self._with_known_values(rule, writes))
        before = dict(settlement.entries) if order.emptied else {}
        self._former_values = {}
        if order.emptied:
            former = self._former(rule, order.emptied, writes)
            self._empty(settlement, list(former.values()))
            self._former_values = former
        for step in order.steps:
            self._again = list(step)
            while self._again:
                self._sent = {write.key: write for write in self._again}
                step_batches = batches(rule.spec, self._again)
                self._again = []
                yield step_batches
        if self._former_values:
            self._restore(settlement, list(self._former_values.values()), before)

    def checked(self, rule: CompiledRule, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Outcomes of a step that are final: without the rows that are sent again."""
        kept: list[Outcome] = []
        for outcome in outcomes:
            left = without_taken(rule, self._sent, outcome)
            if left is None:
                kept.append(outcome)
                continue
            if (
                left.crm_id
                and left.refused
                and not set(left.refused.fields) <= left.replaces.keys()
            ):
                self._unknown.setdefault(rule.name, {})[left.key] = left.crm_id
            if left.fields:
                self._again.append(left)
            else:
                kept.append(left_as_it_is(left))
        final = self.noted(rule, kept)
        for outcome in final:
            restore_no_more(self._former_values, outcome)
        return final

    def _former(
        self, rule: CompiledRule, emptied: Mapping[str, Collection[str]], writes: Sequence[Write]
    ) -> dict[str, Write]:
        """By key: what writes the present values back into fields that are to be emptied.

        Raises: CrmError.
        """
        chosen = [write for write in writes if write.key in emptied and write.crm_id]
        names = {name for fields in emptied.values() for name in fields}
        hits = self._read(rule, [str(write.crm_id) for write in chosen], names)
        former: dict[str, Write] = {}
        for write in chosen:
            hit = hits.get(str(write.crm_id))
            if hit is not None:
                values = {name: hit.values.get(name) for name in emptied[write.key]}
                former[write.key] = Write(write.record, "update", values, write.crm_id)
        return former

    def _read(
        self, rule: CompiledRule, crm_ids: Sequence[str], names: Collection[str]
    ) -> Mapping[str, Hit]:
        """What records hold now, by CRM id; nothing if no call is left. Raises: CrmError."""
        hits: Mapping[str, Hit] = {}
        if crm_ids and self.sender.control.may_call():
            with self.sender.control.within_budget():
                hits = self.sender.adapter.read(rule.object, crm_ids, sorted(names))
        self.outcomes.of(rule.object).worked("read", len(hits))
        return hits

    def _with_known_values(self, rule: CompiledRule, writes: Sequence[Write]) -> Sequence[Write]:
        """The writes, with the values they give up where the ledger has forgotten them.

        Raises: CrmError.
        """
        names = unique_fields(rule)
        unknown = {str(write.crm_id) for write in with_unknown_values(names, writes)}
        hits = self._read(rule, sorted(unknown), names)
        if not hits:
            return writes
        known: list[Write] = []
        for write in writes:
            hit = hits.get(write.crm_id or "")
            held = values_held(hit, names) if hit is not None else {}
            known.append(structs.replace(write, replaces={**held, **write.replaces}))
        return known

    def _empty(self, settlement: Settlement, former: Sequence[Write]) -> None:
        """Empty fields that a later step writes. Raises: CrmError.

        The ledger forgets their values first, so that they are written even if this run is killed.
        """
        self.settler.forget(settlement, {write.key: list(write.fields) for write in former})
        emptying = [structs.replace(write, fields=dict.fromkeys(write.fields)) for write in former]
        for _ in self.sender.send(settlement.rule, batches(settlement.rule.spec, emptying)):
            pass  # what was not emptied shows when its value is taken

    def _restore(
        self, settlement: Settlement, former: Sequence[Write], before: Mapping[str, Entry]
    ) -> None:
        """Write back what was emptied and got no new value. Raises: CrmError."""
        rule = settlement.rule
        held: dict[str, dict[str, FieldMark]] = {}
        for outcomes in self.sender.send(rule, batches(rule.spec, former)):
            for outcome in outcomes:
                entry = before.get(outcome.record.key) if outcome.record is not None else None
                if outcome.holds and entry is not None:
                    names = outcome.accepted.keys() & entry.marks.keys()
                    held[entry.key] = {name: entry.marks[name] for name in names}
        self.settler.recall(settlement, held)

    # Trying again

    def watched(self, rule: CompiledRule, plan: Plan) -> Plan:
        """A plan, of which it is remembered what is in conflict and which values are given up."""
        names = moving_fields(rule)
        for write in plan.writes:
            for name in names & write.replaces.keys():
                self._given_up.add((rule.object, name, write.replaces[name]))
        return replace(plan, outcomes=self.noted(rule, plan.outcomes))

    def noted(self, rule: CompiledRule, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Outcomes, of which it is remembered what is in conflict."""
        kept: list[Outcome] = []
        for outcome in outcomes:
            record = outcome.record
            if record is not None and outcome.name not in ("collapsed", "not_attempted"):
                before = self._tried.pop((rule.name, record.key), None)
                if before is not None and outcome.refused and outcome.name == "kept_by_crm":
                    outcome = structs.replace(outcome, name=before)
                self._remember(rule, record, outcome)
            kept.append(outcome)
        return kept

    def _remember(self, rule: CompiledRule, record: CrmRecord, outcome: Outcome) -> None:
        of_rule = self._open.setdefault(rule.name, {})
        of_rule.pop(record.key, None)
        error = outcome.refused or outcome.error
        if error is not None and error.code == CONFLICT:
            source_keys = tuple(dict.fromkeys(source.key for source in record.sources))
            of_rule[record.key] = Conflict(outcome.name, source_keys, places(rule, record))

    def take(self, rule: CompiledRule) -> list[list[SourceRecord]]:
        """Versions of the records to try again: what they want was to be given up in this run.

        Their outcomes so far do not count.
        """
        self._give_up_unknown(rule)
        count = self.outcomes.of(rule.object)
        taken: list[list[SourceRecord]] = []
        for key, conflict in list(self._open.get(rule.name, {}).items()):
            if conflict.wants.isdisjoint(self._given_up):
                continue
            by_source = self.ledger.letters.of_sources(rule.name, conflict.source_keys)
            letters = [letter for letter in by_source.values() if letter.record]  # none if masked
            if letters:
                del self._open[rule.name][key]
                self._tried[rule.name, key] = conflict.counted_as
                count.moved(conflict.counted_as, None)
                count.planned(len(letters) - 1)
                taken += [sources(rule.stream, letter.versions) for letter in letters]
        return taken

    def _give_up_unknown(self, rule: CompiledRule) -> None:
        """Find out which values the records in conflict hold that the ledger has forgotten.

        Raises: CrmError.
        """
        in_conflict = self._open.get(rule.name, {})
        unknown = self._unknown.pop(rule.name, {})
        names = unique_fields(rule)
        crm_ids = [crm_id for key, crm_id in unknown.items() if key in in_conflict]
        for hit in self._read(rule, crm_ids, names).values():
            for name, known in values_held(hit, names).items():
                self._given_up.add((rule.object, name, known))


def values_held(hit: Hit, names: Collection[str]) -> dict[str, bytes]:
    """The hashes of what a record holds in these fields."""
    held = {name: hit.values.get(name) for name in names}
    return {name: hash_value(value) for name, value in held.items() if value is not None}


def moving_fields(rule: CompiledRule) -> set[str]:
    """Fields whose values identify a record, or that no two records may share."""
    return {*unique_fields(rule), *rule.match_by}


def places(rule: CompiledRule, record: CrmRecord) -> frozenset[Place]:
    """The values by which a record may be in conflict."""
    values = {name: record.fields.get(name) for name in moving_fields(rule)}
    return frozenset(
        (rule.object, name, known)
        for name, value in values.items()
        if value is not None
        for known in hashes_of(value)
    )


def restore_no_more(former: dict[str, Write], outcome: Outcome) -> None:
    """Take note that fields that were emptied hold their new values."""
    record = outcome.record
    write = former.get(record.key) if record is not None else None
    if write is not None and write.fields.keys() <= outcome.accepted.keys():
        del former[write.key]


def without_taken(rule: CompiledRule, sent: Mapping[str, Write], outcome: Outcome) -> Write | None:
    """A refused write without the values that other records hold; None if there is no such write.

    A new record whose match field is taken is not created: it may be the record that holds it.
    """
    error = outcome.error
    if outcome.record is None or not isinstance(error, TakenError):
        return None
    write = sent[outcome.record.key]
    names = (set(error.fields) or unique_fields(rule)) & write.fields.keys() - {rule.upsert_key}
    if write.kind == "create":
        needed = {name for name in names if rule.info(name).required}
        if needed or not names.isdisjoint(rule.match_by):
            return None
    if not names:
        return None
    fields = {name: value for name, value in write.fields.items() if name not in names}
    return structs.replace(write, fields=fields, whole=False, refused=left_out(names, error))


def left_out(names: Collection[str], error: TakenError) -> RowError:
    """Why fields of a record are not written, while the rest of it is."""
    named = ", ".join(sorted(names))
    hint = f"only {named} is left out, and tried again in later runs; {error.hint}"
    return RowError(CONFLICT, error.message, hint, sorted(names))


def left_as_it_is(write: Write) -> Outcome:
    """The outcome of an update of which nothing is left to send."""
    outcome = outcome_of(write, RowResult(write.crm_id))
    return structs.replace(outcome, name="kept_by_crm") if outcome.name == "updated" else outcome
