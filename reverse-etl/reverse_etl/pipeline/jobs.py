"""Stages 5 to 7 for gathered writes: as jobs where there are many, else as calls.

A job works on its own and outlives the run that started it. Its id is in the ledger before anything
is uploaded, so that the next run waits for it first before it sends anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter, JobAdapter, JobResults, RowResult
from reverse_etl.errors import CrmError, StoppedError, TakenError
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.batch import choose_lane
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.refusals import Refusals
from reverse_etl.pipeline.send import outcome_of
from reverse_etl.pipeline.spool import Spool
from reverse_etl.records import KINDS, Outcome, Write, WriteKind

logger = logging.getLogger(__name__)

JOB_ATTEMPTS = 3
"""Jobs that rows are sent with, before those that still have no result go as calls."""

Deliver = Callable[[CompiledRule, Sequence[Write], Sequence[Outcome]], None]
"""Sends writes as calls and settles them, together with outcomes that are known already."""


class NoResults:
    """What is known of jobs that could not be completed."""

    failure: CrmError | None = None

    def of(self, write: Write) -> RowResult | None:
        """Nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Jobs:
    """Sends spools."""

    adapter: Adapter
    ledger: Ledger
    control: RunControl
    deliver: Deliver
    refusals: Refusals

    def send(self, spool: Spool) -> None:
        """Send everything that is gathered in a spool. Raises: CrmError."""
        with spool:
            for kind in KINDS:
                self._send_kind(spool, kind, attempt=1)
        self.ledger.claims.release(spool.rule.object, spool.keys)

    def _send_kind(self, spool: Spool, kind: WriteKind, attempt: int) -> None:
        """Writes of one kind: by a job if there are enough, and what it leaves again."""
        jobs = self.adapter.jobs
        many = choose_lane(spool.rule.spec, spool.rows[kind]).job and attempt <= JOB_ATTEMPTS
        if jobs is None or not many or not self.control.may_call():
            for block in spool.read(kind):
                self.deliver(spool.rule, block, ())
            return

        results = self._run(jobs, spool, kind)
        self._note(spool, kind, results)
        with Spool(spool.rule) as again:
            for block in spool.read(kind):
                outcomes, left = sorted_out(block, results)
                again.add(left)
                self.deliver(spool.rule, (), outcomes)
            if results.failure is not None:
                raise results.failure
            self._send_kind(again, kind, attempt + 1)

    def _note(self, spool: Spool, kind: WriteKind, results: JobResults) -> None:
        """Look for a row that the CRM took before any refused row is settled.

        Raises: RuleRefusedError.
        """
        if not self.refusals.unproven(spool.rule):
            return
        refused: list[Outcome] = []
        for block in spool.read(kind):
            outcomes, _ = sorted_out(block, results)
            if any(outcome.holds for outcome in outcomes):
                self.refusals.note(spool.rule, outcomes)
                return
            refused += outcomes
        self.refusals.note(spool.rule, refused)

    def _run(self, jobs: JobAdapter, spool: Spool, kind: WriteKind) -> JobResults:
        """The results of the jobs; none where the run has to end before they do.

        Raises: CrmError.
        """
        rule = spool.rule
        try:
            with self.control.within_budget():
                return jobs.run_jobs(
                    rule.object,
                    rule.upsert_key,
                    lambda: spool.read(kind),
                    lambda job_id: self.ledger.jobs.begin(rule.object, job_id),
                    self.ledger.jobs.end,
                    self.control.stopping.is_set,
                )
        except StoppedError:
            logger.info("%s: a job goes on working; the next run waits for it first", rule.name)
        return NoResults()

    def adopt(self) -> None:
        """See jobs of killed runs to their end; their rows are then found by look-up.

        Raises: CrmError.
        """
        for job in self.ledger.jobs.open():
            if self.ledger.claims.works(job.run_id):
                continue  # another process waits for it
            if self.adapter.jobs is None:
                raise CrmError(
                    f"The ledger holds an open job of {job.object}, which this CRM does not take.",
                    "Check that ledger_url is that of this target.",
                )
            logger.info(
                "job %s of %s, left by an earlier run, is finished first", job.job_id, job.object
            )
            self.adapter.jobs.finish_job(job.object, job.job_id)
            self.ledger.jobs.end(job.job_id)


def sorted_out(block: Sequence[Write], results: JobResults) -> tuple[list[Outcome], list[Write]]:
    """The outcomes that a job gave, and the writes that have to be sent again."""
    outcomes: list[Outcome] = []
    left: list[Write] = []
    for write in block:
        result = results.of(write)
        # No result, or a row that was locked: neither says what became of the write.
        # A value that another record holds: what is sent again by calls goes without it.
        if result is None or result.again or isinstance(result.fault, TakenError):
            left.append(write)
        else:
            outcomes.append(outcome_of(write, result))
    return outcomes, left
