"""Stage 6, send: batches → one `Fate` a write. Concurrency, halving of definite refusals, looking up what is unknown.

A batch that is refused as a whole is split: rows the answer names die at once, the rest goes again; unnamed ones are
found by halving, and when that would cost too much, one by one. A cause that is not a row's stops the run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Adapter, Lookup, RowResult
from reverse_etl.errors import AmbiguousAnswerError, BatchRejectedError, CrmError, RowError
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.records import Fate, FateName, Write

EXTRA_CALLS_A_BATCH = 7
"""A batch of n rows costs at most n + 7 calls: never more than 107 for 100 rows."""
SMALLEST_PART = 4
"""A part this small is sent row by row, since halving it on would save nothing."""
AMBIGUOUS_ATTEMPTS = 2
LOCKED_ATTEMPTS = 6
LOOK_UP_DELAYS_S = (1.0, 2.0, 3.0)
"""Waits before each look-up of an unknown write; only one that none of them finds is sent again."""


@dataclass(slots=True)
class Sender:
    """Sends the writes of a rule."""

    adapter: Adapter
    max_concurrency: int
    stopping: threading.Event
    sleep: Callable[[float], None] = time.sleep
    doubt: Callable[[CompiledRule, Sequence[Write]], None] = lambda rule, writes: None
    """Is told of creates that are about to be sent again, though the first may yet be carried out."""
    _aside: list[Write] = field(default_factory=list)
    """Writes whose fate stayed unknown; the CRM is asked once more when all others have theirs."""

    def send(self, rule: CompiledRule, all_batches: Iterator[list[Write]]) -> Iterator[list[Fate]]:
        """Fates as they become known, a list for each time some are.

        After a stop no new call is made; what was not sent is `not_attempted`.
        Raises: CrmError, after everything in flight has its fate.
        """
        failure: CrmError | None = None
        with ThreadPoolExecutor(
            max_workers=self.max_concurrency, thread_name_prefix="send"
        ) as pool:
            flying: dict[Future[list[Fate]], list[Write]] = {}
            waiting = True
            while waiting or flying:
                while waiting and len(flying) < self.max_concurrency:
                    batch = next(all_batches, None)
                    if batch is None:
                        waiting = False
                    elif failure is not None or self.stopping.is_set():
                        yield [Fate(write.record, "not_attempted") for write in batch]
                    else:
                        flying[pool.submit(self.send_batch, rule, batch)] = batch
                if not flying:
                    continue
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                fates: list[Fate] = []
                for future in done:
                    batch = flying.pop(future)
                    error = future.exception()
                    if isinstance(error, CrmError):
                        failure = failure or error
                        fates += [Fate(write.record, "not_attempted") for write in batch]
                    else:
                        fates += future.result()
                yield fates
        if self._aside:
            failure = yield from self._settle_aside(rule, failure)
        if failure is not None:
            raise failure

    def _settle_aside(
        self, rule: CompiledRule, failure: CrmError | None
    ) -> Generator[list[Fate], None, CrmError | None]:
        """Fates of what was set aside; returns why the run has to end, where some of them stay unknown."""
        aside, self._aside = self._aside, []
        try:
            yield self._look_up(rule, aside)
        except CrmError as error:
            failure = failure or error
            self._aside = aside
        if self._aside:
            yield [Fate(write.record, "not_attempted") for write in self._aside]
            hint = "Run again: they are looked up first."
            failure = failure or CrmError(
                f"The fate of {len(self._aside)} {rule.object} stayed unknown: every answer was lost.",
                hint,
            )
        return failure

    def send_batch(self, rule: CompiledRule, batch: Sequence[Write]) -> list[Fate]:
        """Fates of one batch, whatever it takes. Raises: CrmError."""
        return BatchSearch(lambda part: self._one_call(rule, part), list(batch)).run()

    def _one_call(self, rule: CompiledRule, part: list[Write]) -> list[Fate]:
        """One call, and what it takes to know its outcome. Raises: BatchRejectedError, CrmError."""
        pending = part
        fates: list[Fate] = []
        for attempt in range(1, LOCKED_ATTEMPTS + 1):
            try:
                results = self.adapter.write(rule.object, rule.rule.upsert_key, pending)
            except AmbiguousAnswerError:
                return fates + self._look_up(rule, pending)
            again = []
            for write, result in zip(pending, results, strict=True):
                if result.again and attempt < LOCKED_ATTEMPTS:
                    again.append(write)
                else:
                    fates.append(fate_of(write, result))
            if not again:
                return fates
            pending = again
            self.sleep(0.5 * 2**attempt)
            if attempt == LOCKED_ATTEMPTS - 1 and len(pending) > 1:
                break
        else:
            return fates
        for write in pending:  # rows that lock each other out do not, one at a time
            fates += self._one_call(rule, [write])
        return fates

    def _look_up(self, rule: CompiledRule, part: Sequence[Write]) -> list[Fate]:
        """The fate of writes whose answer is unknown: found in the CRM, or sent again, or set aside. Raises: CrmError."""
        left = list(part)
        fates: list[Fate] = []
        key_field = rule.rule.upsert_key
        for _ in range(AMBIGUOUS_ATTEMPTS):
            for delay_s in LOOK_UP_DELAYS_S:
                self.sleep(delay_s)
                lookups = [
                    Lookup(write.key, {}, near(rule, write), recent=write.kind == "create")
                    for write in left
                ]
                found = self.adapter.find(rule.object, key_field, lookups, [key_field], exact=True)
                fates += [
                    fate_of(write, RowResult(found[write.key][0].crm_id))
                    for write in left
                    if found.get(write.key)
                ]
                left = [write for write in left if not found.get(write.key)]
                if not left:
                    return fates
            self.doubt(rule, left)
            try:
                results = self.adapter.write(rule.object, key_field, left)
            except AmbiguousAnswerError:
                continue
            return fates + [
                fate_of(write, result) for write, result in zip(left, results, strict=True)
            ]
        self._aside += left
        return fates


@dataclass(slots=True)
class BatchSearch:
    """Finds the rows that make the CRM refuse a batch, by halving.

    A part that is known to hold a bad row is tested by its first half: if that is taken, the bad row is in the second
    half, which needs no test; if not, the second half is put off until the first is done. A call that may fail in vain is
    only made while even the worst case, one call for every row left, stays within the bound.
    """

    call: Callable[[list[Write]], list[Fate]]
    batch: list[Write]
    fates: list[Fate] = field(default_factory=list)
    put_off: list[list[Write]] = field(default_factory=list)
    calls: int = 0

    def run(self) -> list[Fate]:
        """A fate for each row. Raises: CrmError."""
        self.put_off.append(self.batch)
        while self.put_off:
            part = max(self.put_off, key=len)
            self.put_off.remove(part)
            if not self._may_fail(part):
                self._one_by_one(part)
            elif not self._taken(part):
                self._search(part)
        return self.fates

    def _may_fail(self, part: Sequence[Write]) -> bool:
        left = len(self.batch) - len(self.fates)
        return len(part) == 1 or self.calls + 1 + left <= len(self.batch) + EXTRA_CALLS_A_BATCH

    def _taken(self, part: list[Write]) -> bool:
        """Whether the fates of a part are known after one call; False where a row of it is bad and not named."""
        self.calls += 1
        try:
            self.fates += self.call(part)
        except BatchRejectedError as rejected:
            named = {
                index: fault for index, fault in rejected.named.items() if 0 <= index < len(part)
            }
            if len(part) == 1:
                named = {0: named.get(0, rejected.fault)}
            if not named:
                return False
            self.fates += [dead(part[index], fault) for index, fault in named.items()]
            rest = [write for index, write in enumerate(part) if index not in named]
            if rest:
                self.put_off.append(rest)
        return True

    def _search(self, part: list[Write]) -> None:
        """A part that is known to hold a bad row."""
        while len(part) > SMALLEST_PART:
            middle = (len(part) + 1) // 2
            first, second = part[:middle], part[middle:]
            if not self._may_fail(first):
                break
            if self._taken(first):
                part = second
            else:
                self.put_off.append(second)
                part = first
        self._one_by_one(part)

    def _one_by_one(self, part: Sequence[Write]) -> None:
        for write in part:
            self._taken([write])


def near(rule: CompiledRule, write: Write) -> dict[str, str]:
    """CRM ids that a write refers to, by field."""
    return {
        name: str(write.fields[name])
        for name in rule.reference_infos
        if write.fields.get(name) is not None
    }


def dead(write: Write, fault: RowError) -> Fate:
    """A write the CRM refused."""
    return Fate(write.record, "dead", fault=fault, stage="send")


def fate_of(write: Write, result: RowResult) -> Fate:
    """The fate that a row's result means."""
    if result.fault is not None:
        return dead(write, result.fault)
    created = write.kind == "create" or write.recovered
    accepted = {**write.accepted, **write.fields}
    name: FateName = "created" if created else "updated"
    return Fate(
        write.record,
        name,
        result.crm_id or write.crm_id,
        accepted,
        linked=bool(write.fields),
        whole=write.whole,
    )
