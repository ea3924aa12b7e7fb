"""The stages joined: a block of raw records in, every planned write with its fate in the ledger.

`run_block` reads as the table in docs/architecture.md; nothing else joins the stages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.adapter import Adapter
from reverse_etl.batching import batches
from reverse_etl.errors import CrmError, RowFault, Stopped
from reverse_etl.functions import Function
from reverse_etl.ledger import Ledger
from reverse_etl.ledger.store import Changes
from reverse_etl.linking import Linker, waiting_source
from reverse_etl.mapping import CompiledRule, RuleCompiler
from reverse_etl.planning import Planner
from reverse_etl.receiving import Invalid, Receiver
from reverse_etl.records import CrmRecord, Fate, SourceRecord
from reverse_etl.rules import Rule
from reverse_etl.sending import Sender
from reverse_etl.settling import Settler
from reverse_etl.tally import Tally

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What a user may set of the engine."""

    provision: bool = False
    force: bool = False
    max_concurrency: int = 1
    link_wait_days: float = 7


@dataclass(slots=True)
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
        properties = schema.get("properties", {})
        compiler = RuleCompiler(self.functions, self.adapter.facts())
        own = [rule for rule in self.rules if rule.stream == stream]
        for rule in own:
            compiler.check_properties(rule, properties)
        compiled = []
        for rule in own:
            infos = self.adapter.describe(rule.object)
            missing = [one for one in compiler.wanted_fields(rule, properties) if one.name not in infos]
            if missing and self.settings.provision:
                self.adapter.provision(rule.object, missing)
                infos = self.adapter.describe(rule.object)
            compiled.append(compiler.compile(rule, self.adapter.objects[rule.object], properties, infos))
        self.receivers[stream] = Receiver.for_schema(stream, schema, key_properties)
        self.compiled[stream] = compiled
        for compiled_rule in compiled:
            self.retry_waiting(compiled_rule)

    def run_block(self, stream: str, raw: Sequence[Mapping[str, Any]]) -> None:
        """A block of a stream through all stages. Raises: CrmError, LedgerError, Stopped."""
        received = [self.receivers[stream].receive(one) for one in raw]
        valid = [one for one in received if isinstance(one, SourceRecord)]
        invalid = [one for one in received if isinstance(one, Invalid)]
        for rule in self.compiled[stream]:
            self.tally.of(rule.object).planned += len(raw)
            if invalid:
                self.settler.settle_invalid(rule, invalid)
            self.deliver(rule, self.map_block(rule, valid))
        self.tally.check()
        if self.stopping.is_set():
            raise Stopped(self.stop_signal)

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
        if self.stopping.is_set():
            self.settler.settle(rule, [Fate(record, "not_attempted") for record in mapped], {})
            return
        tally = self.tally.of(rule.object)
        planner = Planner(self.adapter, self.ledger, self.settings.force)
        try:
            plan = planner.plan(rule, mapped, tally)
        except CrmError:
            self.settler.settle(rule, [Fate(record, "not_attempted") for record in mapped], {})
            raise
        done = list(plan.fates)
        self.settler.settle(rule, plan.fates, plan.entries)
        self.settler.intend(rule, plan.writes, plan.entries)
        for write in plan.writes:
            tally.sent[write.kind] += 1
            tally.fields_kept_back += write.kept_back
        sender = Sender(self.adapter, self.settings.max_concurrency, self.stopping)
        for fates in sender.send(rule, batches(rule.spec, plan.writes)):
            self.settler.settle(rule, fates, plan.entries)
            done += fates
        if not self.stopping.is_set():
            self.linker.link_block(rule, done, plan.entries)

    def retry_waiting(self, rule: CompiledRule) -> None:
        """Try what waits for a link's other end; expire what waited too long."""
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
            self.ledger.apply(Changes(rule.object, done_waiting=[(rule.name, one.key, one.to_object) for one in ready]))
        self.linker.retry_links(rule, run_id)
        self.linker.expire(rule, self.settings.link_wait_days, run_id)
        self.tally.check()

    def close(self) -> None:
        """The end of the input: try once more what waits."""
        for stream in self.compiled:
            for rule in self.compiled[stream]:
                self.retry_waiting(rule)

    @property
    def settler(self) -> Settler:
        """Stage 7."""
        return Settler(self.ledger, self.tally)

    @property
    def linker(self) -> Linker:
        """Links apart from writes."""
        return Linker(self.adapter, self.ledger, self.tally)
