"""The stages joined: a block of raw records in, every planned write with its outcome in the ledger.

`run_block` reads as the table in docs/architecture.md; nothing else joins the stages. What was put
off (a waiting write whose link can be made now, a key that another process was writing) goes
through it again with an empty block.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from reverse_etl.crm.adapter import Adapter
from reverse_etl.errors import MappingError
from reverse_etl.ledger import Ledger, StreamSchema, Waiting
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.functions import Function
from reverse_etl.mapping.rules import Rule
from reverse_etl.mapping.schemas import stream_properties
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.engine_settings import EngineSettings
from reverse_etl.pipeline.jobs import Jobs
from reverse_etl.pipeline.letters import sources
from reverse_etl.pipeline.map import map_block
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.prepare import Preparation
from reverse_etl.pipeline.receive import Receiver
from reverse_etl.pipeline.settle import Settlement
from reverse_etl.pipeline.spool import SPOOL_ROWS, Spools
from reverse_etl.pipeline.stages import Stages
from reverse_etl.records import Mapped, Outcome, Received, SourceRecord, Write

logger = logging.getLogger(__name__)

DEFERRED_PAUSE_S = 0.3
"""Time between two looks at keys that another process holds."""


@dataclass
class Engine(Stages):
    """One run into one account."""

    adapter: Adapter
    ledger: Ledger
    rules: Sequence[Rule]
    functions: Mapping[str, Function]
    settings: EngineSettings = field(default_factory=EngineSettings)
    outcomes: Outcomes = field(default_factory=Outcomes)
    control: RunControl = field(default_factory=RunControl)
    spools: Spools = field(default_factory=Spools)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    compiled: dict[str, list[CompiledRule]] = field(default_factory=dict)
    absent: dict[str, list[Rule]] = field(default_factory=dict)
    """By stream: rules whose object the account does not have."""
    retried: dict[str, list[list[SourceRecord]]] = field(default_factory=dict)
    """By rule: waiting writes and letters that the next block takes up, each by its versions."""

    # The way of a block

    def run_block(
        self, stream: str, raw: Sequence[Mapping[str, Any]] = (), *, within: bool = False
    ) -> None:
        """Take a block of a stream through the stages. `within` another, that one checks the law.

        Raises: CrmError, LedgerError.
        """
        received = self.receive(stream, raw)
        for rule in self.compiled.get(stream, ()):
            self.options.extend(rule, received, self.retried.get(rule.name, ()))
            mapped = map_block(rule, received, self.retried.pop(rule.name, ()), self.internal)
            changed = self.unchanged.settle(rule, self.with_room(rule, mapped))
            if not changed and rule.name not in self.planner.deferred:
                continue  # the common case: there is nothing to write
            plan = self.planner.plan(rule, changed)
            ready = self.spools.to_send(rule, plan.writes)
            settlement = self.settler.open(rule, self.conflicts.watched(rule, plan))
            for step in self.conflicts.steps(settlement, ready):
                for outcomes in self.sender.send(rule, step):
                    self.settler.settle(settlement, self.conflicts.checked(rule, outcomes))
            self.finish(settlement, plan.claimed)
        self.check(within=within)

    def receive(self, stream: str, raw: Sequence[Mapping[str, Any]]) -> Received:
        """Stage 2, and the planned writes: one per record and rule."""
        if stream not in self.receivers:  # the budget was spent before its rules were ready
            for rule in self.rules_of(stream):
                self.outcomes.never(rule.object, "not_attempted", len(raw))
            return Received([], [])
        for absent in self.absent[stream]:
            self.outcomes.never(absent.object, "no_object", len(raw))
        for compiled in self.compiled[stream]:
            self.outcomes.of(compiled.object).planned(len(raw))
        received = self.receivers[stream].receive(raw)
        return self.erased.sift(
            self.compiled[stream], received, partial(self.drain_all, within=True)
        )

    def with_room(self, rule: CompiledRule, mapped: Mapped) -> Mapped:
        """The records, once their parents are finished and what is gathered of their keys is sent.

        Raises: CrmError.
        """
        if not mapped.records:
            return mapped
        for spool in self.spools.to_send_first(rule, (record.key for record in mapped.records)):
            self.drain(spool.rule.name)
        self.replan_ends(rule)
        return mapped

    def replan_ends(self, rule: CompiledRule) -> None:
        """Plan again what turned out to be gone and a rule's links lead to. Raises: CrmError."""
        ends = {form.to for form in rule.forms} - {rule.object}
        for end in self._all_rules():
            if end.object in ends and end.name in self.planner.deferred:
                self.run_block(end.stream, within=True)
                self.drain(end.name)

    def finish(self, settlement: Settlement, claimed: frozenset[str] = frozenset()) -> None:
        """The end of stage 7: links, files, and the claims on what is not gathered."""
        rule = settlement.rule
        self.linker.link(settlement)
        if self.attacher is not None:
            self.attacher.attach(settlement)
        gathered = self.spools.keys(rule)
        self.ledger.claims.release(rule.object, claimed - gathered)
        if gathered and (len(gathered) >= SPOOL_ROWS or not self.settings.gather):
            self.drain(rule.name)

    def check(self, *, within: bool = False) -> None:
        """The law: only what is held back has no outcome, once no block is `within` another.

        Raises: LawBrokenError.
        """
        if within:
            return
        held = self.spools.held()
        for name, number in self.refusals.held().items():
            held[name] = held.get(name, 0) + number
        for rule in self._all_rules():
            deferred = len(self.planner.deferred.get(rule.name, ()))
            held[rule.object] = held.get(rule.object, 0) + deferred
        self.outcomes.check(held)

    # What is gathered for a job

    def drain(self, rule_name: str) -> None:
        """Send the gathered writes of a rule. Raises: CrmError."""
        spool = self.spools.by_rule.pop(rule_name, None)
        if spool is not None:
            self.jobs.send(spool)

    def drain_all(self, *, within: bool = False) -> None:
        """Send everything that is gathered, parents first. Raises: CrmError."""
        for name in list(self.spools.by_rule):
            self.drain(name)
        self.check(within=within)

    def deliver(
        self, rule: CompiledRule, writes: Sequence[Write], outcomes: Sequence[Outcome]
    ) -> None:
        """Stages 6 and 7 for gathered writes, or for the outcomes of a job. Raises: CrmError."""
        keys = [write.key for write in writes]
        keys += [outcome.record.key for outcome in outcomes if outcome.record is not None]
        settlement = Settlement(rule, self.ledger.entries(rule.object, keys))
        self.settler.settle(settlement, self.conflicts.noted(rule, outcomes))
        for step in self.conflicts.steps(settlement, writes):
            for sent in self.sender.send(rule, step):
                self.settler.settle(settlement, self.conflicts.checked(rule, sent))
        self.finish(settlement)

    # The beginning and the end of a stream

    def open_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> None:
        """Make the rules of a stream ready, before its first record, and try what waits for it.

        Raises: MappingError, CrmError.
        """
        with self.control.within_budget():
            properties = stream_properties(schema)
            chosen = self.settings
            self.adapter.link_created = self.provisioning.report_link
            prepare = Preparation(
                self.adapter, self.functions, self.provisioning, chosen.add_options, self.rules
            )
            receiver = Receiver.for_schema(stream, schema, key_properties)
            compiled, absent = prepare.compile(self.rules_of(stream), properties)
            self.compiled[stream], self.absent[stream] = compiled, absent
            self.receivers[stream] = receiver
            known = StreamSchema(schema, tuple(key_properties))
            self.ledger.schemas.remember(stream, known)
            for rule in compiled:
                self.ledger.keys.adopt(rule.object, rule.upsert_key, folds_case=rule.folds_case)
                self.duplicates.settle(rule)
                self.retry_letters(rule)
                self.retry_waiting(rule)

    def close(self) -> None:
        """The end of the input: send what is gathered, and retry what was put off."""
        self.drain_all()
        self.run_deferred()
        self.retry_conflicts()
        self.open_streams_that_wait()
        self.retry_all_waiting()
        self.settler.settle_held()
        for rule in self._all_rules():
            with self.control.within_budget():
                self.duplicates.settle(rule)
        self.check()
        self.guard.judge(at_the_end=True)

    def open_streams_that_wait(self) -> None:
        """Make rules ready that something waits for, though their stream did not come.

        Its schema is the one that it came with last. Raises: CrmError.
        """
        for stream in sorted({rule.stream for rule in self.rules} - self.receivers.keys()):
            waits = any(
                self.ledger.waiting.any(rule.name) or self.letter_retries.wait_for_ends(rule.name)
                for rule in self.rules_of(stream)
            )
            known = self.ledger.schemas.of(stream) if waits else None
            if known is None or not self.control.may_call():
                continue
            try:
                self.open_stream(stream, known.schema, known.key_properties)
            except MappingError as error:  # the rule has changed, and the stream may have, too
                logger.warning("what waits of the stream %s was not tried: %s", stream, error)

    def retry_all_waiting(self) -> None:
        """Try what waits, again as long as some of it goes out: it may bring what others wait for.

        Raises: CrmError.
        """
        for _ in self.rules:
            went_out = False
            self.parents.forget_missing()
            for rule in self._all_rules():
                went_out |= self.retry_letters(rule, expired_only=True)
                went_out |= self.retry_waiting(rule)
                self.run_deferred()
            if not went_out:
                return

    def retry_conflicts(self) -> None:
        """Try records again that wanted a value which another gave up later. Raises: CrmError."""
        for rule in self._all_rules():
            conflicting = self.conflicts.take(rule) if self.control.may_call() else []
            if conflicting:
                self.retried[rule.name] = conflicting
                self.run_block(rule.stream)
                self.drain(rule.name)
        self.run_deferred()

    def retry_letters(self, rule: CompiledRule, *, expired_only: bool = False) -> bool:
        """Try the dead letters whose cause may be gone, or just those whose other end has come.

        Returns True if there were any. Raises: CrmError.
        """
        letters: list[list[SourceRecord]] = []
        if self.control.may_call():
            with self.control.within_budget():
                letters = self.letter_retries.take(rule, expired_only=expired_only)
        if letters:
            self.retried[rule.name] = letters
            self.run_block(rule.stream)
            self.drain(rule.name)
        return bool(letters)

    def retry_waiting(self, rule: CompiledRule) -> bool:
        """Try what waits for a link's other end; expire what waited too long.

        Returns True if records went out. Raises: CrmError.
        """
        if not self.control.may_call():
            return False
        ready: list[Waiting] = []
        with self.control.within_budget():
            ready = self.waiting.ready_writes(rule)
        if ready:
            self.retried[rule.name] = [sources(rule.stream, row.versions) for row in ready]
            self.run_block(rule.stream)
            self.drain(rule.name)
        if ready and self.control.may_call():
            later = self.planner.left(rule)
            self.waiting.forget(rule, [row for row in ready if row.key not in later])
        with self.control.within_budget():
            self.waiting.retry_links(rule)
        self.waiting.expire(rule)
        self.check()
        return bool(ready)

    def run_deferred(self) -> None:
        """Retry keys held by another process, until it has released them. Raises: CrmError."""
        while self.planner.deferred and self.control.may_call():
            for rule in self._all_rules():
                if rule.name in self.planner.deferred:
                    self.run_block(rule.stream)
                    self.drain(rule.name)
            if self.planner.deferred:
                self.control.wait(DEFERRED_PAUSE_S)

    def abandon(self) -> None:
        """The run ends: whatever has no outcome yet was not attempted."""
        self.spools.close()
        self.outcomes.abandon()

    # Streams and rules

    def rules_of(self, stream: str) -> list[Rule]:
        """The rules of a stream, as written."""
        return [rule for rule in self.rules if rule.stream == stream]

    def parents_of(self, stream: str) -> set[str]:
        """Streams that feed the other ends of this stream's links that do not wait alone."""
        links = (link for rule in self.rules_of(stream) for link in rule.links)
        ends = {link.to for link in links if link.wait == "record"}
        return {rule.stream for rule in self.rules if rule.object in ends} - {stream}

    def unfinished(self, stream: str) -> bool:
        """Returns True if records of a stream have no outcome yet, so that its STATE must wait.

        By the counts, since what left a spool and was not sent is nowhere else. Once the run is
        asked to stop, an outcome `not_attempted` is none: the next run has to bring the record.
        """
        if self.spools.holds(stream) or self.refusals.holds(stream):
            return True
        rules = self.compiled.get(stream, ())
        if any(rule.name in self.planner.deferred for rule in rules):
            return True
        counts = [self.outcomes.of(rule.object) for rule in rules]
        stopping = self.control.stopping.is_set()
        return any(count.open or (stopping and count.of("not_attempted")) for count in counts)

    def _all_rules(self) -> Iterator[CompiledRule]:
        for rules in self.compiled.values():
            yield from rules

    @cached_property
    def jobs(self) -> Jobs:
        """Stages 5 to 7 for what is gathered."""
        return Jobs(self.adapter, self.ledger, self.control, self.deliver, self.refusals)
