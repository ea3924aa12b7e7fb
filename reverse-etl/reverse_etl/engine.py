"""The stages joined: a block of raw records in, every planned write with its fate in the ledger.

`run_block` reads as the table in docs/architecture.md; nothing else joins the stages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from reverse_etl.adapter import Adapter, FieldWanted, FileAdapter, JobAdapter, JobResults, OwnerAdapter, RowResult
from reverse_etl.attaching import Attacher
from reverse_etl.batching import batches, choose_lane
from reverse_etl.doubting import Doubts
from reverse_etl.errors import BudgetSpent, CrmError, NoSuchObject, RowFault, Stopped
from reverse_etl.fetching import Fetcher
from reverse_etl.functions import Function
from reverse_etl.ledger import Entry, Ledger
from reverse_etl.ledger.store import Changes
from reverse_etl.linking import Linker, waiting_source
from reverse_etl.mapping import CompiledRule, RuleCompiler
from reverse_etl.planning import Planner
from reverse_etl.receiving import Invalid, Receiver
from reverse_etl.records import CrmRecord, Fate, SourceRecord, Write
from reverse_etl.rules import Rule
from reverse_etl.sending import Sender, fate_of
from reverse_etl.settling import Settler
from reverse_etl.spool import KINDS, SPOOL_ROWS, Kind, Spool
from reverse_etl.tally import Tally
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)

JOB_ATTEMPTS = 3
"""Jobs that rows are sent with, before those still without a verdict go as calls."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What a user may set of the engine."""

    provision: bool = False
    force: bool = False
    max_concurrency: int = 1
    link_wait_days: float = 7
    attach: bool = False
    merge_duplicates: bool = False
    regress: bool = False
    """Whether `forward_only` fields may go back."""
    allow_private_hosts: bool = False
    gather: bool = True
    """Whether writes of several blocks may be gathered for a job; not where the user has set the size of a block."""


class NoResults:
    """What is known of jobs that could not be seen to their end."""

    def of(self, write: Write) -> RowResult | None:
        """Nothing."""
        return None


@dataclass
class Engine:
    """One run into one account."""

    adapter: Adapter
    ledger: Ledger
    rules: Sequence[Rule]
    functions: Mapping[str, Function]
    settings: EngineSettings
    tally: Tally = field(default_factory=Tally)
    stopping: threading.Event = field(default_factory=threading.Event)
    stop_signal: int = 0
    compiled: dict[str, list[CompiledRule]] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    absent: dict[str, list[Rule]] = field(default_factory=dict)
    """By stream: rules whose object the account does not have."""
    spools: dict[str, Spool] = field(default_factory=dict)
    """By the rule's name, in the order of the rules' first writes."""
    budget_spent: str = ""
    """Why no call is made any more; empty while calls are made."""

    def maps(self, stream: str) -> bool:
        """Whether any rule maps the stream."""
        return any(rule.stream == stream for rule in self.rules)

    def parents_of(self, stream: str) -> set[str]:
        """Streams that feed the other ends of this stream's links."""
        ends = {link.to for rule in self.rules if rule.stream == stream for link in rule.links}
        return {rule.stream for rule in self.rules if rule.object in ends} - {stream}

    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Compile the stream's rules against its schema and the CRM, before its first record.

        Creates missing fields where `provision` is on. Raises: MappingError, CrmError.
        """
        try:
            self._open_stream(stream, schema, key_properties)
        except BudgetSpent as error:
            self._note_spent(error)

    def _open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        properties = schema.get("properties", {})
        compiler = RuleCompiler(self.functions, self.adapter.facts())
        own = [rule for rule in self.rules if rule.stream == stream]
        for rule in own:
            compiler.check_properties(rule, properties)
        compiled = []
        for rule in own:
            infos = self._fields_of(rule, compiler.wanted_fields(rule, self.adapter.objects[rule.object], properties))
            if infos is None:
                self.absent.setdefault(stream, []).append(rule)
                logger.info("the account has no %s: records of %s are skipped", rule.object, rule.name)
                continue
            compiled.append(compiler.compile(rule, self.adapter.objects[rule.object], properties, infos, self._owners(rule)))
        self.receivers[stream] = Receiver.for_schema(stream, schema, key_properties)
        self.compiled[stream] = compiled
        for compiled_rule in compiled:
            self.doubts.settle(compiled_rule)
            self.retry_waiting(compiled_rule)

    def _owners(self, rule: Rule) -> Mapping[str, str]:
        """Who may own records, where the rule asks for owners. Raises: CrmError."""
        return cast(OwnerAdapter, self.adapter).owners() if rule.owner else {}

    def _fields_of(self, rule: Rule, wanted: Sequence[FieldWanted]) -> Mapping[str, FieldInfo] | None:
        """The fields of a rule's object, the missing ones created where that is wanted; None where the account may lack it.

        Raises: CrmError.
        """
        try:
            try:
                infos = self.adapter.describe(rule.object)
            except NoSuchObject:
                if not self.settings.provision:
                    raise
                infos = {}
            missing = [one for one in wanted if one.name not in infos]
            if missing and self.settings.provision:
                self.adapter.provision(rule.object, missing)
                infos = self.adapter.describe(rule.object)
        except NoSuchObject:
            if not self.adapter.objects[rule.object].optional:
                raise
            return None
        return infos

    def run_block(self, stream: str, raw: Sequence[Mapping[str, Any]]) -> None:
        """A block of a stream through all stages. Raises: CrmError, LedgerError, Stopped."""
        if stream not in self.compiled:
            self.not_attempted(stream, len(raw))
            return
        received = [self.receivers[stream].receive(one) for one in raw]
        valid = [one for one in received if isinstance(one, SourceRecord)]
        invalid = [one for one in received if isinstance(one, Invalid)]
        for absent in self.absent.get(stream, []):
            self.tally.of(absent.object).planned += len(raw)
            self.tally.of(absent.object).fates["no_object"] += len(raw)
        for rule in self.compiled[stream]:
            self.tally.of(rule.object).planned += len(raw)
            if invalid:
                self.settler.settle_invalid(rule, invalid)
            self.deliver(rule, self.map_block(rule, valid))
        self.tally.check()
        if self.stopping.is_set():
            raise Stopped(self.stop_signal)

    def not_attempted(self, stream: str, records: int) -> None:
        """Count records of a stream whose rules could not be made ready, since the budget was spent before."""
        for rule in self.rules:
            if rule.stream == stream:
                tally = self.tally.of(rule.object)
                tally.planned += records
                tally.fates["not_attempted"] += records

    def map_block(self, rule: CompiledRule, sources: Iterable[SourceRecord]) -> list[CrmRecord]:
        """Stage 3 over a block; what cannot be mapped is settled here."""
        mapped: list[CrmRecord] = []
        failed: list[tuple[SourceRecord, RowFault]] = []
        filtered = 0
        for source in sources:
            try:
                record = rule.map(source)
            except RowFault as fault:
                failed.append((source, fault))
                continue
            if record is None:
                filtered += 1
            else:
                mapped.append(record)
        if failed or filtered:
            self.settler.settle_unmappable(rule, failed, filtered)
        return mapped

    def deliver(self, rule: CompiledRule, mapped: Sequence[CrmRecord]) -> None:
        """Stages 4 to 7 over a block of one rule. Raises: CrmError."""
        if not mapped:
            return
        if self.stopping.is_set() or self.budget_spent:
            self.settler.settle(rule, [Fate(record, "not_attempted") for record in mapped], {})
            return
        self._make_room(rule, mapped)
        tally = self.tally.of(rule.object)
        planner = Planner(self.adapter, self.ledger, self.settings.force, self.settings.regress)
        try:
            plan = planner.plan(rule, mapped, tally)
        except CrmError as error:
            self.settler.settle(rule, [Fate(record, "not_attempted") for record in mapped], {})
            self._note_spent(error)
            return
        self.settler.settle(rule, plan.fates, plan.entries)
        self.settler.intend(rule, plan.writes, plan.entries)
        for write in plan.writes:
            tally.sent[write.kind] += 1
            tally.fields_kept_back += write.kept_back
        if any(lane.job for lane in rule.spec.lanes):
            self._settle_ends(rule, plan.fates, plan.entries)
            self._spool(rule, plan.writes)
        else:
            self._send(rule, plan.writes, plan.entries, list(plan.fates))

    def _send(self, rule: CompiledRule, writes: Sequence[Write], entries: dict[str, Entry], done: list[Fate]) -> None:
        """Stages 5 to 7 for writes as calls, then the links of these and of what is `done` already. Raises: CrmError."""
        if self.budget_spent:
            self.settler.settle(rule, [Fate(write.record, "not_attempted") for write in writes], entries)
        else:
            sender = Sender(self.adapter, self.settings.max_concurrency, self.stopping, doubt=self.doubts.note)
            try:
                for fates in sender.send(rule, batches(rule.spec, writes)):
                    self.settler.settle(rule, fates, entries)
                    done += fates
            except CrmError as error:
                self._note_spent(error)
        self._settle_ends(rule, done, entries)

    def _settle_ends(self, rule: CompiledRule, fates: Sequence[Fate], entries: dict[str, Entry]) -> None:
        """Links and files of records that the CRM holds. Raises: CrmError."""
        if self.stopping.is_set():
            return
        self.linker.link_block(rule, fates, entries)
        if self.settings.attach and rule.rule.attach and not self.budget_spent:
            try:
                self.attacher.attach_block(rule, fates, entries)
            except CrmError as error:
                self._note_spent(error)

    def _note_spent(self, error: CrmError) -> None:
        """Go on without calls where the budget is spent. Raises: CrmError for any other cause."""
        if not isinstance(error, BudgetSpent):
            raise error
        if not self.budget_spent:
            self.budget_spent = str(error)
            logger.warning("%s What comes from here on is counted as not attempted.", error)

    # Writes that are spooled until there are enough for a job

    def spooled(self, stream: str) -> bool:
        """Whether writes of a stream have no fate yet."""
        return any(len(spool) for spool in self.spools.values() if spool.rule.rule.stream == stream)

    def _spool(self, rule: CompiledRule, writes: Sequence[Write]) -> None:
        spool = self.spools.setdefault(rule.name, Spool(rule))
        spool.add(writes)
        self.tally.of(rule.object).spooled += len(writes)
        if len(spool) >= SPOOL_ROWS or not self.settings.gather:
            self.drain(rule.name)

    def _make_room(self, rule: CompiledRule, mapped: Sequence[CrmRecord]) -> None:
        """Drain what has to be settled before these records can be planned: their parents, and writes of the same keys."""
        parents = {link.to for link in rule.rule.links}
        keys = {record.key for record in mapped}
        for name, spool in list(self.spools.items()):
            if spool.rule.object in parents or (spool.rule.object == rule.object and not keys.isdisjoint(spool.keys)):
                self.drain(name)

    def drain(self, name: str) -> None:
        """Send a rule's spooled writes: as jobs where there are many, else as calls. Raises: CrmError."""
        spool = self.spools.get(name)
        if spool is None or not len(spool):
            return
        for kind in KINDS:
            if not spool.rows[kind]:
                continue
            if choose_lane(spool.rule.spec, spool.rows[kind]).job and not self.stopping.is_set() and not self.budget_spent:
                self._run_jobs(spool, kind)
            else:
                for block in spool.read(kind):
                    self._settled(spool, block)
            spool.rows[kind] = 0
        del self.spools[name]
        spool.close()

    def drain_all(self) -> None:
        """Send everything that is spooled; parents first, as the rules are ordered. Raises: CrmError."""
        for name in list(self.spools):
            self.drain(name)
        self.tally.check()

    def _settled(self, spool: Spool, block: Sequence[Write]) -> None:
        """A block of spooled writes, sent as calls. Raises: CrmError."""
        self.tally.of(spool.rule.object).spooled -= len(block)
        self._send(spool.rule, block, self.ledger.entries(spool.rule.object, [write.key for write in block]), [])

    def _run_jobs(self, spool: Spool, kind: Kind, attempt: int = 1) -> None:
        """Spooled writes as jobs; rows without a verdict, and those that were locked, go again. Raises: CrmError."""
        rule = spool.rule
        results = self._job_results(spool, kind)
        again = Spool(rule)
        for block in spool.read(kind):
            fates, left = [], []
            for write in block:
                result = results.of(write)
                if result is None or result.again:
                    left.append(write)
                else:
                    fates.append(fate_of(write, result))
            again.add(left)
            entries = self.ledger.entries(rule.object, [fate.record.key for fate in fates])
            self.tally.of(rule.object).spooled -= len(fates)
            self.settler.settle(rule, fates, entries)
            self._settle_ends(rule, fates, entries)
        many = choose_lane(rule.spec, again.rows[kind]).job and attempt < JOB_ATTEMPTS
        if many and not self.stopping.is_set() and not self.budget_spent:
            self._run_jobs(again, kind, attempt + 1)
        else:
            for block in again.read(kind):
                self._settled(again, block)
        again.close()

    def _job_results(self, spool: Spool, kind: Kind) -> JobResults:
        """What became of jobs; nothing is known where the run has to end before they do. Raises: CrmError."""
        rule = spool.rule
        try:
            return cast(JobAdapter, self.adapter).run_jobs(
                rule.object,
                rule.rule.upsert_key,
                lambda: spool.read(kind),
                lambda job_id: self.ledger.begin_job(rule.object, job_id),
                self.ledger.end_job,
                self.stopping.is_set,
            )
        except Stopped:
            return NoResults()
        except CrmError as error:
            self._note_spent(error)
            return NoResults()

    def abandon(self) -> None:
        """The run ends: what is still spooled was not attempted."""
        for spool in self.spools.values():
            tally = self.tally.of(spool.rule.object)
            left, tally.spooled = tally.spooled, 0
            tally.fates["not_attempted"] += left
        self.spools.clear()

    def adopt_jobs(self) -> None:
        """See jobs of a killed run to their end before anything is sent; their rows are then found by look-up. Raises: CrmError."""
        for object_name, job_id in self.ledger.open_jobs():
            logger.info("a job of an earlier run, %s of %s, is seen to its end first", job_id, object_name)
            cast(JobAdapter, self.adapter).finish_job(object_name, job_id)
            self.ledger.end_job(job_id)

    # What waits

    def retry_waiting(self, rule: CompiledRule) -> None:
        """Try what waits for a link's other end; expire what waited too long."""
        if self.budget_spent:
            return
        run_id = self.ledger.scope.run_id
        waiting = [one for one in self.ledger.waiting(rule.name) if one.record is not None]
        parents = {
            to: self.ledger.crm_ids(to, (one.to_key for one in waiting if one.to_object == to)) for to in {one.to_object for one in waiting}
        }
        ready = [one for one in waiting if one.to_key in parents[one.to_object]]
        if ready:
            tally = self.tally.of(rule.object)
            for one in ready:
                if one.run_id == run_id:
                    tally.fates["waiting"] -= 1
                    self.tally.links.update(wanted=-1, waiting=-1)
                else:
                    tally.planned += 1
            self.deliver(rule, self.map_block(rule, (waiting_source(rule, one) for one in ready)))
            self.drain(rule.name)
            if not self.stopping.is_set() and not self.budget_spent:
                self.ledger.apply(Changes(rule.object, done_waiting=[(rule.name, one.key, one.to_object) for one in ready]))
        self.linker.retry_links(rule, run_id)
        self.linker.expire(rule, self.settings.link_wait_days, run_id)
        self.tally.check()

    def close(self) -> None:
        """The end of the input: send what is spooled, and try once more what waits."""
        self.drain_all()
        for stream in self.compiled:
            for rule in self.compiled[stream]:
                self.retry_waiting(rule)
                try:
                    self.doubts.settle(rule)
                except CrmError as error:
                    self._note_spent(error)

    @property
    def settler(self) -> Settler:
        """Stage 7."""
        return Settler(self.ledger, self.tally)

    @property
    def attacher(self) -> Attacher:
        """Files apart from writes."""
        adapter = cast(FileAdapter, self.adapter)
        return Attacher(adapter, self.ledger, self.tally, self.fetcher, self.settings.max_concurrency, self.stopping)

    @cached_property
    def fetcher(self) -> Fetcher:
        """Where files come from."""
        return Fetcher(self.settings.allow_private_hosts)

    @property
    def doubts(self) -> Doubts:
        """Creates that were sent twice."""
        return Doubts(self.adapter, self.ledger, self.settings.merge_duplicates)

    @property
    def linker(self) -> Linker:
        """Links apart from writes."""
        return Linker(self.adapter, self.ledger, self.tally)
