"""Stage 4, plan: records that may have changed → writes of just the changed fields, or outcomes.

The ledger says, by hashes, what the CRM holds; on a miss `identity` asks the CRM. Before anything
is planned its keys are claimed, so that no two processes write one record at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import RowError
from reverse_etl.ledger import Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.changes import Draft, unlinked
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.ends import references_stand
from reverse_etl.pipeline.engine_settings import OnMissing
from reverse_etl.pipeline.identity import Identified, Identity, Resolver
from reverse_etl.pipeline.merge import merge_keys
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.parents import Parents
from reverse_etl.pipeline.verify import Verifier, decided_key
from reverse_etl.pipeline.versions import map_versions
from reverse_etl.records import CrmRecord, Outcome, Write
from reverse_etl.values import Value, canonical

logger = logging.getLogger(__name__)

References = Mapping[str, Value]
"""CRM ids of the records that a record refers to, by reference field."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a block of one rule comes to: a write or an outcome for every record."""

    writes: Sequence[Write] = ()
    outcomes: Sequence[Outcome] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """The ledger's entries of the block, by key."""
    claimed: frozenset[str] = frozenset()
    """Keys that belong to this run until it releases them."""


Approve = Callable[[CompiledRule, Plan], Plan]
"""Takes out the writes that an approved plan does not have. Raises: CrmError."""


@dataclass(slots=True)
class Planner:
    """Plans blocks of records."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    control: RunControl
    parents: Parents
    verifier: Verifier
    """Says which records were merged, where an update would reach the one that is left."""
    force: bool = False
    regress: bool = False
    """True if `forward_only` fields may go back."""
    on_missing: OnMissing = "follow"
    deferred: dict[str, list[CrmRecord]] = field(default_factory=dict)
    """By rule: records whose keys another process was writing. The next block takes them up."""
    approve: Approve | None = None
    _withheld: dict[str, set[str]] = field(default_factory=dict)
    """By rule: keys whose writes were not approved."""

    def plan(self, rule: CompiledRule, changed: Sequence[CrmRecord]) -> Plan:
        """Plan a block, one record per key. Raises: CrmError."""
        retried = self.deferred.pop(rule.name, [])
        newest, collapsed = merge_keys(rule, [*retried, *changed])
        if not newest:
            return Plan()
        with self.control.within_budget():
            if self.control.may_call():
                return self._approved(rule, self._plan(rule, newest, collapsed))
        left = [Outcome.of("not_attempted", record) for record in newest.values()]
        return Plan(outcomes=[*collapsed, *left])

    def _approved(self, rule: CompiledRule, plan: Plan) -> Plan:
        if self.approve is None or not plan.writes:
            return plan
        approved = self.approve(rule, plan)
        going = {write.key for write in approved.writes}
        withheld = {write.key for write in plan.writes} - going
        self._withheld.setdefault(rule.name, set()).update(withheld)
        return approved

    def left(self, rule: CompiledRule) -> set[str]:
        """Keys whose records are still to be written, in this run or a later one."""
        later = {record.key for record in self.deferred.get(rule.name, ())}
        return later | self._withheld.get(rule.name, set())

    def _plan(
        self, rule: CompiledRule, newest: dict[str, CrmRecord], collapsed: Sequence[Outcome]
    ) -> Plan:
        claimed = self.ledger.claims.take(rule.object, newest)
        self._defer(rule, [record for key, record in newest.items() if key not in claimed])
        mine = [record for key, record in newest.items() if key in claimed]

        # Read after the claim: until then another process may have changed them.
        entries = self.ledger.entries(rule.object, claimed)
        references = self._references(rule, mine)
        known: list[CrmRecord] = []
        missed: list[CrmRecord] = []
        for record in mine:
            entry = entries.get(record.key)
            is_known = entry is not None and entry.state == "settled" and entry.crm_id is not None
            (known if is_known else missed).append(record)

        decisions = self._known(rule, known, entries, references)
        with_updates = self.on_missing == "leave"
        entries |= self.verifier.verify_decided(rule, decisions, entries, with_updates)
        gone = {record.key for record in known if entries[record.key].state == "gone"}
        missed += [record for record in known if record.key in gone]
        decisions = [each for each in decisions if decided_key(each) not in gone]
        known_writes = {
            str(decision.crm_id): decision for decision in decisions if isinstance(decision, Write)
        }
        decisions += self._missed(rule, missed, entries, references, known_writes)
        writes = [decision for decision in decisions if isinstance(decision, Write)]
        outcomes = [decision for decision in decisions if isinstance(decision, Outcome)]
        return Plan(writes, [*collapsed, *outcomes], entries, frozenset(claimed))

    def _defer(self, rule: CompiledRule, records: list[CrmRecord]) -> None:
        """Keys held by another process are retried with the next block, at last at the end."""
        if records:
            self.put_off(rule, records)
            logger.info(
                "%s: %d keys are held by another process; they are retried", rule.name, len(records)
            )

    def put_off(self, rule: CompiledRule, records: list[CrmRecord]) -> None:
        """The next block of a rule takes these up."""
        self.deferred.setdefault(rule.name, []).extend(records)

    def _references(
        self, rule: CompiledRule, records: Iterable[CrmRecord]
    ) -> dict[str, References]:
        """By key: the CRM ids that go into the record's reference fields, as far as known.

        Raises: CrmError.
        """
        links = [
            (record.key, link)
            for record in records
            for link in record.links
            if link.form.form == "reference"
        ]
        ids = self.parents.of(rule.object, (link for _, link in links))
        references: dict[str, dict[str, Value]] = {}
        for key, link in links:
            crm_id = ids.get((link.form.name, link.to_key))
            if crm_id is not None:
                value = canonical(rule.info(link.form.field), crm_id)
                references.setdefault(key, {})[link.form.field] = value
        return dict(references)

    # Records that the ledger knows

    def _known(
        self,
        rule: CompiledRule,
        records: Sequence[CrmRecord],
        entries: Mapping[str, Entry],
        references: Mapping[str, References],
    ) -> list[Write | Outcome]:
        """Decide by the ledger's hashes, and by the CRM's values where a policy needs them."""
        decisions: list[Write | Outcome] = []
        drafts: list[Draft] = []
        for record in records:
            entry = entries[record.key]
            outcome = self._known_outcome(rule, record, entry)
            if outcome is not None:
                decisions.append(outcome)
                continue
            draft = Draft(rule, record, references.get(record.key, {}), entry, regress=self.regress)
            draft.compare_with_ledger(entry, force=self.force)
            drafts.append(draft)

        self._judge(rule, [draft for draft in drafts if draft.to_judge])
        return decisions + [self._decide(draft) for draft in drafts]

    def _known_outcome(self, rule: CompiledRule, record: CrmRecord, entry: Entry) -> Outcome | None:
        """The outcome of a record that needs no comparison, if there is one."""
        same = not record.collapsed and entry.is_known_as(rule.name, record.fingerprint)
        if same and not self.force and references_stand(self.ledger, rule, record, entry):
            return Outcome.known(record, entry.crm_id)
        return Outcome.of("mode", record) if rule.mode == "create_only" else None

    def _judge(self, rule: CompiledRule, drafts: Sequence[Draft]) -> None:
        """Read what the CRM holds where a policy depends on it. Raises: CrmError."""
        if not drafts:
            return
        crm_ids = [draft.crm_id for draft in drafts]
        names = sorted({name for draft in drafts for name in draft.to_judge})
        hits = self.adapter.read(rule.object, crm_ids, names)
        self.outcomes.of(rule.object).worked("read", len(crm_ids))
        for draft in drafts:
            draft.judge(hits.get(draft.crm_id))

    @staticmethod
    def _decide(draft: Draft) -> Write | Outcome:
        return draft.write() if draft.changed else draft.outcome()

    # Records that the ledger does not know

    def _missed(
        self,
        rule: CompiledRule,
        records: Sequence[CrmRecord],
        entries: Mapping[str, Entry],
        references: Mapping[str, References],
        known_writes: Mapping[str, Write],
    ) -> list[Write | Outcome]:
        """Decide by what the CRM finds under the key or the match fields. Raises: CrmError."""
        decisions: list[Write | Outcome] = [
            Outcome.of("filtered", record) for record in records if record.leaving
        ]
        missed = []
        for record in self._still_wanted(rule, records):
            if isinstance(record, Outcome):
                decisions.append(record)
            else:
                missed.append(record)
        gone = {key: str(entry.crm_id) for key, entry in entries.items() if entry.state == "gone"}
        pending = {key for key, entry in entries.items() if entry.state == "pending"}
        resolver = Resolver(self.adapter, self.ledger, self.outcomes)
        identities: dict[str, Identity] = {}
        to_resolve = missed
        if self.on_missing == "leave" and not rule.spec.updates_follow_merges:
            # No merge is followed: whether people restored the record is all there is to ask.
            left = [record for record in missed if record.key in gone]
            identities |= resolver.under_own_id(rule, left, gone)
            to_resolve = [record for record in missed if record.key not in gone]
        lost = {record.key: gone[record.key] for record in to_resolve if record.key in gone}
        identities |= resolver.resolve(rule, to_resolve, references, pending, known_writes, lost)
        for record in missed:
            own = references.get(record.key, {})
            identity = identities[record.key]
            if record.key in gone and self._leaves(identity, gone[record.key]):
                decisions.append(Outcome.of("gone", record))
            elif isinstance(identity, RowError):
                decisions.append(Outcome.rejection(record, "plan", identity))
            elif isinstance(identity, Identified):
                recovered = record.key in pending and not identity.adopt
                before = entries[record.key] if record.key in gone and not self.force else None
                decisions.append(self._seen(rule, record, own, identity, recovered, before))
            elif record.key in gone and self.on_missing != "recreate":
                decisions.append(Outcome.of("gone", record))
            else:
                decisions.append(self._new(rule, record, own))
        return decisions

    def _leaves(self, identity: Identity, crm_id: str) -> bool:
        """Returns True if a record that is gone is left.

        It is not if people restored it: then it is under the id it had. Where a merge makes a new
        record of two, that one carries the key of one of them, which goes on under it.
        """
        its_own = isinstance(identity, Identified) and (
            not identity.adopt or identity.hit.crm_id == crm_id
        )
        return self.on_missing == "leave" and not its_own

    def _still_wanted(
        self, rule: CompiledRule, records: Sequence[CrmRecord]
    ) -> Iterator[CrmRecord | Outcome]:
        """The records that no newer version took out of `where`, of merged ones what is left."""
        staying = [record for record in records if not record.leaving]
        keys = [source.key for record in staying for source in record.sources]
        filtered = self.ledger.filtered.newest(rule.name, keys)
        for record in staying:
            left = [
                source
                for source in record.sources
                if source.observed_us >= filtered.get(source.key, source.observed_us)
            ]
            if len(left) == len(record.sources):
                yield record
            elif left:
                yield map_versions(rule, left)
            else:
                yield Outcome.of("filtered", record)

    def _seen(
        self,
        rule: CompiledRule,
        record: CrmRecord,
        references: References,
        identity: Identified,
        recovered: bool,
        before: Entry | None,
    ) -> Write | Outcome:
        """A record that the CRM has already; it was gone if there is an entry `before`."""
        if rule.mode == "create_only":
            return Outcome.of("mode", record)
        draft = Draft(
            rule, record, references, before, hit=identity.hit, adopt=identity.adopt,
            recovered=recovered, regress=self.regress,
        )  # fmt: skip
        draft.compare_with_crm(identity.hit)
        return self._decide(draft)

    def _new(
        self, rule: CompiledRule, record: CrmRecord, references: References
    ) -> Write | Outcome:
        """A record that the CRM does not have."""
        if rule.mode == "update_only":
            return Outcome.of("mode", record)
        missing = unlinked(record, references)
        holding = next((link for link in missing if link.form.holds_back), None)
        if holding is not None:
            fault = self.parents.fault(holding)
            if fault is not None:
                return Outcome.rejection(record, "plan", fault)
            return Outcome("waiting", record.source, record, missing=holding)
        values = {**record.fields, **references}
        return Write(
            record,
            "create",
            {name: value for name, value in values.items() if value is not None},
            # A null says that the field is empty, which is news of its time, only where it clears.
            accepted=dict.fromkeys(
                name for name, value in values.items() if value is None and rule.clears(name)
            ),
            whole=not missing,
            unlinked=missing,
        )
