"""Stage 6, send: batches → one `Outcome` a write, with every batch in a thread of its own.

A batch that is refused as a whole is searched for its bad rows (`bisect`). A write without a
response is looked up before it is sent again. An error that would fail every row stops the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from reverse_etl.crm.adapter import Adapter, Lookup, RowResult
from reverse_etl.errors import AmbiguousAnswerError, BudgetSpentError, CrmError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.bisect import BatchSearch
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.refusals import Refusals
from reverse_etl.records import Outcome, OutcomeName, Write

AMBIGUOUS_ATTEMPTS = 2
LOCKED_ATTEMPTS = 6
LOOK_UP_DELAYS_S = (1.0, 2.0, 3.0)
"""Waits before each look-up of an unknown write; it is sent again only if none of them finds it."""

Flying = dict[Future[list[Outcome]], list[Write]]


def nothing_in_doubt(rule: CompiledRule, writes: Sequence[Write]) -> None:
    """For adapters and tests that have no ledger to keep doubts in."""


@dataclass(slots=True)
class Sender:
    """Sends the writes of a rule."""

    adapter: Adapter
    control: RunControl
    max_concurrency: int = 1
    sleep: Callable[[float], None] = time.sleep
    doubt: Callable[[CompiledRule, Sequence[Write]], None] = nothing_in_doubt
    """Called before a create is retried, though the first may yet be carried out."""
    refusals: Refusals = field(default_factory=Refusals)
    _aside: list[Write] = field(default_factory=list)
    """Writes with an unknown outcome, which the CRM is asked about after all others."""
    _failure: CrmError | None = None

    def send(self, rule: CompiledRule, batches: Iterator[list[Write]]) -> Iterator[list[Outcome]]:
        """Outcomes as they become known, a list each time some are.

        After a stop, a spent budget or a failure no new call is made; what was not sent is
        `not_attempted`.

        Raises: CrmError, once everything in flight has its outcome.
        """
        first = next(batches, None)
        if first is None:
            return
        self._failure = None
        with ThreadPoolExecutor(self.max_concurrency, thread_name_prefix="send") as pool:
            flying: Flying = {}
            batch: list[Write] | None = first
            while batch is not None or flying:
                while batch is not None and len(flying) < self._calls_at_once(rule):
                    if self._failure is None and self.control.may_call():
                        flying[pool.submit(self._search(rule, batch).run)] = batch
                    else:
                        yield not_attempted(batch)
                    batch = next(batches, None)
                if flying:
                    yield self._landed(flying)
        yield from self._settle_aside(rule)
        if self._failure is not None:
            raise self._failure

    def _calls_at_once(self, rule: CompiledRule) -> int:
        """Until the CRM has taken a row of a rule, a refusal of all rows must not cost many calls.

        So the first batch goes alone.
        """
        return 1 if self.refusals.unproven(rule) else self.max_concurrency

    def _search(self, rule: CompiledRule, batch: list[Write]) -> BatchSearch:
        return BatchSearch(
            partial(self._call, rule),
            batch,
            noted=partial(self.refusals.note, rule),
            unproven=partial(self.refusals.unproven, rule),
        )

    def _landed(self, flying: Flying) -> list[Outcome]:
        """Wait for a batch to land; returns the outcomes of all that have."""
        outcomes: list[Outcome] = []
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in done:
            batch = flying.pop(future)
            error = future.exception()
            if isinstance(error, CrmError):
                self._fail(error)
                outcomes += not_attempted(batch)
            else:
                outcomes += future.result()
        return outcomes

    def _fail(self, error: CrmError) -> None:
        """Remember the first failure; a spent budget ends the calls and not the run."""
        if isinstance(error, BudgetSpentError):
            self.control.spend(str(error))
        else:
            self._failure = self._failure or error

    def _settle_aside(self, rule: CompiledRule) -> Iterator[list[Outcome]]:
        """Ask again for what was set aside; what stays unknown ends the run."""
        aside, self._aside = self._aside, []
        if not aside:
            return
        try:
            yield self._look_up(rule, aside)
        except CrmError as error:
            self._fail(error)
            self._aside = aside
        if self._aside:
            unknown, self._aside = self._aside, []
            yield not_attempted(unknown)
            self._fail(
                CrmError(
                    f"The outcome of {len(unknown)} {rule.object} stayed unknown: "
                    "every response was lost.",
                    "Run again: they are looked up first.",
                )
            )

    def _call(self, rule: CompiledRule, part: list[Write]) -> list[Outcome]:
        """One call, and what it takes to know its outcomes.

        Raises: BatchRejectedError, CrmError.
        """
        outcomes: list[Outcome] = []
        for attempt in range(1, LOCKED_ATTEMPTS + 1):
            try:
                results = self.adapter.write(rule.object, rule.upsert_key, part)
            except AmbiguousAnswerError:
                return outcomes + self._look_up(rule, part)
            locked: list[Write] = []
            for write, result in zip(part, results, strict=True):
                if result.again and attempt < LOCKED_ATTEMPTS:
                    locked.append(write)
                else:
                    outcomes.append(outcome_of(write, result))
            if not locked:
                break
            part = locked
            self.sleep(0.5 * 2**attempt)
            if attempt == LOCKED_ATTEMPTS - 1 and len(part) > 1:
                # Rows of one parent lock each other out in a batch; one at a time they do not.
                return outcomes + [
                    outcome for write in part for outcome in self._call(rule, [write])
                ]
        return outcomes

    def _look_up(self, rule: CompiledRule, part: Sequence[Write]) -> list[Outcome]:
        """The outcomes of writes whose response was lost. Raises: CrmError.

        They are looked up, several times since a write may be carried out late; what is not found
        is sent again, and what stays unknown after that is set aside.
        """
        unknown = list(part)
        outcomes: list[Outcome] = []
        for _ in range(AMBIGUOUS_ATTEMPTS):
            for delay_s in LOOK_UP_DELAYS_S:
                self.sleep(delay_s)
                found = self._find(rule, unknown)
                outcomes += [
                    outcome_of(write, RowResult(found[write.key]))
                    for write in unknown
                    if write.key in found
                ]
                unknown = [write for write in unknown if write.key not in found]
                if not unknown:
                    return outcomes
            self.doubt(rule, unknown)
            try:
                results = self.adapter.write(rule.object, rule.upsert_key, unknown)
            except AmbiguousAnswerError:
                continue
            return outcomes + [
                outcome_of(write, result) for write, result in zip(unknown, results, strict=True)
            ]
        self._aside += unknown
        return outcomes

    def _find(self, rule: CompiledRule, writes: Sequence[Write]) -> dict[str, str]:
        """CRM ids by key, from a listing that does not lag. Raises: CrmError."""
        lookups = [
            Lookup(write.key, {}, near(rule, write), recent=write.kind == "create")
            for write in writes
        ]
        key = rule.upsert_key
        hits = self.adapter.find(rule.object, key, lookups, [key], exact=True)
        return {found_key: found[0].crm_id for found_key, found in hits.items() if found}


def near(rule: CompiledRule, write: Write) -> dict[str, str]:
    """The CRM ids that a write refers to, by field."""
    return {
        name: str(write.fields[name])
        for name in rule.reference_infos
        if write.fields.get(name) is not None
    }


def not_attempted(writes: Sequence[Write]) -> list[Outcome]:
    """The outcomes of writes that were not sent."""
    return [Outcome.of("not_attempted", write.record) for write in writes]


def outcome_of(write: Write, result: RowResult) -> Outcome:
    """The outcome that a row's result means."""
    if result.fault is not None:
        return Outcome.rejection(write.record, "send", result.fault)
    # The ledger's intent decides, not the answer: a create may find what a killed run left behind.
    name: OutcomeName = "created" if write.kind == "create" or write.recovered else "updated"
    return Outcome(
        name,
        write.record.source,
        write.record,
        result.crm_id or write.crm_id,
        {**write.accepted, **write.fields},
        linked=bool(write.fields),
        whole=write.whole,
        unlinked=write.unlinked,
        refused=write.refused,
    )
