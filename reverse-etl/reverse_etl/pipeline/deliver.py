"""Stages 5 to 7 joined: planned writes in, their fates in the ledger, then links and files.

Writes of an object that can be written by jobs are gathered in a spool until there are enough, their parents' children
come, or the input ends; all others go out at once. When the calls are used up, everything from there on is counted as not
attempted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from reverse_etl.crm.adapter import Adapter, FileAdapter, JobAdapter, JobResults, RowResult
from reverse_etl.crm.download import Fetcher
from reverse_etl.errors import BudgetSpentError, CrmError, StoppedError
from reverse_etl.ledger import Entry, Ledger
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.pipeline.attachments import Attacher
from reverse_etl.pipeline.batch import batches, choose_lane
from reverse_etl.pipeline.duplicates import Doubts
from reverse_etl.pipeline.links import Linker
from reverse_etl.pipeline.outcomes import Tally
from reverse_etl.pipeline.plan import Plan
from reverse_etl.pipeline.send import Sender, fate_of
from reverse_etl.pipeline.settle import Settler
from reverse_etl.pipeline.spool import KINDS, SPOOL_ROWS, Kind, Spool
from reverse_etl.records import Fate, Write

logger = logging.getLogger(__name__)

JOB_ATTEMPTS = 3
"""Jobs that rows are sent with, before those still without a verdict go as calls."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
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
class Delivery:
    """The writes of one run into one account."""

    adapter: Adapter
    ledger: Ledger
    settings: DeliverySettings
    tally: Tally
    stopping: threading.Event
    spools: dict[str, Spool] = field(default_factory=dict)
    """By the rule's name, in the order of the rules' first writes."""
    budget_spent: str = ""
    """Why no call is made any more; empty while calls are made."""

    def take(self, rule: CompiledRule, plan: Plan) -> None:
        """A plan: what needs no write is settled, creates are noted, writes are sent or gathered. Raises: CrmError."""
        tally = self.tally.of(rule.object)
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
        spool = self.spools.get(rule.name)
        self.ledger.claims.release(rule.object, plan.claimed - (spool.keys if spool else set()))

    def _send(
        self,
        rule: CompiledRule,
        writes: Sequence[Write],
        entries: dict[str, Entry],
        done: list[Fate],
    ) -> None:
        """Stages 5 to 7 for writes as calls, then the links of these and of what is `done` already. Raises: CrmError."""
        if self.budget_spent:
            self.settler.settle(
                rule, [Fate(write.record, "not_attempted") for write in writes], entries
            )
        else:
            sender = Sender(
                self.adapter, self.settings.max_concurrency, self.stopping, doubt=self.doubts.note
            )
            try:
                for fates in sender.send(rule, batches(rule.spec, writes)):
                    self.settler.settle(rule, fates, entries)
                    done += fates
            except CrmError as error:
                self.note_spent(error)
        self._settle_ends(rule, done, entries)

    def _settle_ends(
        self, rule: CompiledRule, fates: Sequence[Fate], entries: dict[str, Entry]
    ) -> None:
        """Links and files of records that the CRM holds. Raises: CrmError."""
        if self.stopping.is_set():
            return
        self.linker.link_block(rule, fates, entries)
        if self.settings.attach and rule.rule.attach and not self.budget_spent:
            try:
                self.attacher.attach_block(rule, fates, entries)
            except CrmError as error:
                self.note_spent(error)

    def note_spent(self, error: CrmError) -> None:
        """Go on without calls where the budget is spent. Raises: CrmError for any other cause."""
        if not isinstance(error, BudgetSpentError):
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

    def make_room(self, rule: CompiledRule, keys: Iterable[str]) -> None:
        """Drain what has to be settled before records of these keys can be planned: their parents, and writes of the same keys.

        Raises: CrmError.
        """
        parents = {link.to for link in rule.rule.links}
        wanted = set(keys)
        for name, spool in list(self.spools.items()):
            if spool.rule.object in parents or (
                spool.rule.object == rule.object and not wanted.isdisjoint(spool.keys)
            ):
                self.drain(name)

    def drain(self, name: str) -> None:
        """Send a rule's spooled writes: as jobs where there are many, else as calls. Raises: CrmError."""
        spool = self.spools.get(name)
        if spool is None or not len(spool):
            return
        for kind in KINDS:
            if not spool.rows[kind]:
                continue
            if (
                choose_lane(spool.rule.spec, spool.rows[kind]).job
                and not self.stopping.is_set()
                and not self.budget_spent
            ):
                self._run_jobs(spool, kind)
            else:
                for block in spool.read(kind):
                    self._settled(spool, block)
            spool.rows[kind] = 0
        del self.spools[name]
        spool.close()
        self.ledger.claims.release(spool.rule.object, spool.keys)

    def drain_all(self) -> None:
        """Send everything that is spooled; parents first, as the rules are ordered. Raises: CrmError."""
        for name in list(self.spools):
            self.drain(name)
        self.tally.check()

    def _settled(self, spool: Spool, block: Sequence[Write]) -> None:
        """A block of spooled writes, sent as calls. Raises: CrmError."""
        self.tally.of(spool.rule.object).spooled -= len(block)
        self._send(
            spool.rule,
            block,
            self.ledger.entries(spool.rule.object, [write.key for write in block]),
            [],
        )

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
        except StoppedError:
            return NoResults()
        except CrmError as error:
            self.note_spent(error)
            return NoResults()

    def abandon(self) -> None:
        """The run ends: what has no fate yet was not attempted."""
        for tally in self.tally.objects.values():
            left, tally.spooled = tally.spooled, 0
            tally.fates["not_attempted"] += left
        self.spools.clear()

    def adopt_jobs(self) -> None:
        """See jobs of a killed run to their end before anything is sent; their rows are then found by look-up. Raises: CrmError."""
        for object_name, job_id, run_id in self.ledger.open_jobs():
            if self.ledger.claims.works(run_id):
                continue  # another process waits for it
            logger.info(
                "a job of an earlier run, %s of %s, is seen to its end first", job_id, object_name
            )
            cast(JobAdapter, self.adapter).finish_job(object_name, job_id)
            self.ledger.end_job(job_id)

    # The stages

    @property
    def settler(self) -> Settler:
        """Stage 7."""
        return Settler(self.ledger, self.tally)

    @property
    def attacher(self) -> Attacher:
        """Files apart from writes."""
        adapter = cast(FileAdapter, self.adapter)
        return Attacher(
            adapter,
            self.ledger,
            self.tally,
            self.fetcher,
            self.settings.max_concurrency,
            self.stopping,
        )

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
