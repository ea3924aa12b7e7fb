"""The stages joined: a block of raw records in, every planned write with its fate in the ledger.

`run_block` reads as the table in docs/architecture.md; nothing else joins the stages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import (
    AwaitedError,
    BudgetSpentError,
    CrmError,
    NoSuchObjectError,
    RowError,
    StoppedError,
)
from reverse_etl.ledger import Ledger
from reverse_etl.ledger.store import Changes
from reverse_etl.mapping.compiler import CompiledRule, RuleCompiler
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import FieldWanted
from reverse_etl.pipeline.deliver import Delivery, DeliverySettings
from reverse_etl.pipeline.links import waiting_source
from reverse_etl.pipeline.outcomes import Tally
from reverse_etl.pipeline.plan import Planner
from reverse_etl.pipeline.receive import Invalid, Receiver
from reverse_etl.records import CrmRecord, Fate, SourceRecord
from reverse_etl.values import FieldInfo

logger = logging.getLogger(__name__)

DEFERRED_PAUSE_S = 0.3
"""Between two looks at keys that another process holds."""


@dataclass
class Engine:
    """One run into one account."""

    adapter: Adapter
    ledger: Ledger
    rules: Sequence[Rule]
    functions: Mapping[str, Function]
    settings: DeliverySettings
    tally: Tally = field(default_factory=Tally)
    stopping: threading.Event = field(default_factory=threading.Event)
    stop_signal: int = 0
    compiled: dict[str, list[CompiledRule]] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    deferred: dict[str, list[CrmRecord]] = field(default_factory=dict)
    """By rule: records whose keys another process was writing when they came."""
    absent: dict[str, list[Rule]] = field(default_factory=dict)
    """By stream: rules whose object the account does not have."""

    @cached_property
    def delivery(self) -> Delivery:
        """Stages 5 to 7."""
        return Delivery(self.adapter, self.ledger, self.settings, self.tally, self.stopping)

    def maps(self, stream: str) -> bool:
        """Whether any rule maps the stream."""
        return any(rule.stream == stream for rule in self.rules)

    def parents_of(self, stream: str) -> set[str]:
        """Streams that feed the other ends of this stream's links."""
        ends = {link.to for rule in self.rules if rule.stream == stream for link in rule.links}
        return {rule.stream for rule in self.rules if rule.object in ends} - {stream}

    def open_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> None:
        """Compile the stream's rules against its schema and the CRM, before its first record.

        Creates missing fields where `provision` is on. Raises: MappingError, CrmError.
        """
        try:
            self._open_stream(stream, schema, key_properties)
        except BudgetSpentError as error:
            self.delivery.note_spent(error)

    def _open_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> None:
        properties = schema.get("properties", {})
        compiler = RuleCompiler(self.functions, self.adapter.facts())
        own = [rule for rule in self.rules if rule.stream == stream]
        for rule in own:
            compiler.check_properties(rule, properties)
        compiled = []
        for rule in own:
            infos = self._fields_of(
                rule, compiler.wanted_fields(rule, self.adapter.objects[rule.object], properties)
            )
            if infos is None:
                self.absent.setdefault(stream, []).append(rule)
                logger.info(
                    "the account has no %s: records of %s are skipped", rule.object, rule.name
                )
                continue
            compiled.append(
                compiler.compile(
                    rule, self.adapter.objects[rule.object], properties, infos, self._owners(rule)
                )
            )
        self.receivers[stream] = Receiver.for_schema(stream, schema, key_properties)
        self.compiled[stream] = compiled
        for compiled_rule in compiled:
            self.delivery.doubts.settle(compiled_rule)
            self.retry_waiting(compiled_rule)

    def _owners(self, rule: Rule) -> Mapping[str, str]:
        """Who may own records, where the rule asks for owners. Raises: CrmError."""
        return self.adapter.owning.owners() if rule.owner and self.adapter.owning else {}

    def _fields_of(
        self, rule: Rule, wanted: Sequence[FieldWanted]
    ) -> Mapping[str, FieldInfo] | None:
        """The fields of a rule's object, the missing ones created where that is wanted; None where the account may lack it.

        Raises: CrmError.
        """
        try:
            try:
                infos = self.adapter.describe(rule.object)
            except NoSuchObjectError:
                if not self.settings.provision:
                    raise
                infos = {}
            missing = [one for one in wanted if one.name not in infos]
            if missing and self.settings.provision:
                self.adapter.provision(rule.object, missing)
                infos = self.adapter.describe(rule.object)
        except NoSuchObjectError:
            if not self.adapter.objects[rule.object].optional:
                raise
            return None
        return infos

    def run_block(self, stream: str, raw: Sequence[Mapping[str, Any]]) -> None:
        """A block of a stream through all stages. Raises: CrmError, LedgerError, StoppedError."""
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
                self.delivery.settler.settle_invalid(rule, invalid)
            self.deliver(rule, self.map_block(rule, valid))
        self.tally.check()
        if self.stopping.is_set():
            raise StoppedError(self.stop_signal)

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
        failed: list[tuple[SourceRecord, RowError]] = []
        filtered = awaited = 0
        for source in sources:
            try:
                record = rule.map(source)
            except AwaitedError:
                awaited += 1
                continue
            except RowError as fault:
                failed.append((source, fault))
                continue
            if record is None:
                filtered += 1
            else:
                mapped.append(record)
        if failed or filtered or awaited:
            self.delivery.settler.settle_unmappable(rule, failed, filtered, awaited)
        return mapped

    def deliver(self, rule: CompiledRule, mapped: Sequence[CrmRecord]) -> None:
        """Stages 4 to 7 over a block of one rule. Raises: CrmError."""
        if not mapped:
            return
        if self.stopping.is_set() or self.delivery.budget_spent:
            self.delivery.settler.settle(
                rule, [Fate(record, "not_attempted") for record in mapped], {}
            )
            return
        try:
            self.delivery.make_room(rule, (record.key for record in mapped))
            planner = Planner(
                self.adapter,
                self.ledger,
                self.settings.force,
                self.settings.regress,
                self.settings.attach,
            )
            plan = planner.plan(rule, mapped, self.tally.of(rule.object))
        except CrmError as error:
            self.delivery.settler.settle(
                rule, [Fate(record, "not_attempted") for record in mapped], {}
            )
            self.delivery.note_spent(error)
            return
        self._defer(rule, plan.deferred)
        self.delivery.take(rule, plan)

    # What another process is writing

    def _defer(self, rule: CompiledRule, records: Sequence[CrmRecord]) -> None:
        if records:
            logger.info(
                "%s: %d records are being written by another process; taken at the end",
                rule.name,
                len(records),
            )
            self.deferred.setdefault(rule.name, []).extend(records)
            self.tally.of(rule.object).spooled += len(records)

    def unfinished(self, stream: str) -> bool:
        """Whether records of a stream have no fate yet."""
        return self.delivery.spooled(stream) or any(
            records[0].rule.rule.stream == stream for records in self.deferred.values()
        )

    def deliver_deferred(self) -> None:
        """Deliver what other processes were writing, once they have done so. Raises: CrmError."""
        while self.deferred and not self.stopping.is_set():
            for name in list(self.deferred):
                records = self.deferred.pop(name)
                rule = records[0].rule
                self.tally.of(rule.object).spooled -= len(records)
                self.deliver(rule, records)
                self.delivery.drain(name)
            if self.deferred:
                self.stopping.wait(DEFERRED_PAUSE_S)

    # What waits

    def retry_waiting(self, rule: CompiledRule) -> None:
        """Try what waits for a link's other end; expire what waited too long."""
        if self.delivery.budget_spent:
            return
        run_id = self.ledger.scope.run_id
        waiting = [one for one in self.ledger.waiting(rule.name) if one.record is not None]
        parents = {
            to: self.ledger.crm_ids(to, (one.to_key for one in waiting if one.to_object == to))
            for to in {one.to_object for one in waiting}
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
            self.delivery.drain(rule.name)
            if not self.stopping.is_set() and not self.delivery.budget_spent:
                later = {record.key for record in self.deferred.get(rule.name, ())}
                done = [
                    (rule.name, one.key, one.to_object) for one in ready if one.key not in later
                ]
                self.ledger.apply(Changes(rule.object, done_waiting=done))
        self.delivery.linker.retry_links(rule, run_id)
        self.delivery.linker.expire(rule, self.settings.link_wait_days, run_id)
        self.tally.check()

    def close(self) -> None:
        """The end of the input: send what is spooled, and try once more what waits."""
        self.delivery.drain_all()
        self.deliver_deferred()
        for stream in self.compiled:
            for rule in self.compiled[stream]:
                self.retry_waiting(rule)
                self.deliver_deferred()
                try:
                    self.delivery.doubts.settle(rule)
                except CrmError as error:
                    self.delivery.note_spent(error)
