"""Files of records that the CRM holds: each is attached once, and has a fate of its own.

A file is known by its name. The ledger remembers that it was attached; where it does not, the CRM is asked before
anything is sent. Invariant: attachments wanted = made + kept + dead + not_attempted.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.download import Fetcher
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    BudgetSpentError,
    CrmError,
    RowError,
)
from reverse_etl.ledger import Entry, FieldMark, Ledger
from reverse_etl.ledger.store import Changes
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.pipeline.outcomes import Tally
from reverse_etl.pipeline.plan import FILE_MARK
from reverse_etl.pipeline.settle import HOLDS, letter
from reverse_etl.records import Fate, WantedFile
from reverse_etl.values import hash_value

AMBIGUOUS_ATTEMPTS = 3
LATE_S = 5.0
"""How long an upload whose answer is lost is given to appear, before the file is looked for and sent again."""
Verdict = Literal["made", "kept", "not_attempted"] | RowError


@dataclass(slots=True)
class Attacher:
    """Attaches the files of a rule's records."""

    adapter: FileAdapter
    ledger: Ledger
    tally: Tally
    fetcher: Fetcher
    max_concurrency: int
    stopping: threading.Event

    def attach_block(
        self, rule: CompiledRule, fates: Sequence[Fate], entries: Mapping[str, Entry]
    ) -> None:
        """Files of a block whose records the CRM now holds. Raises: CrmError, after all that were sent are settled."""
        wanted: list[tuple[Fate, Entry, WantedFile]] = []
        for fate in fates:
            entry, file = entries.get(fate.record.key), fate.record.file
            if file is None or fate.name not in HOLDS or entry is None or entry.crm_id is None:
                continue
            self.tally.attachments["wanted"] += 1
            if (mark := entry.marks.get(FILE_MARK)) is not None and mark.hash == hash_value(
                file.name
            ):
                self.tally.attachments["kept"] += 1
            else:
                wanted.append((fate, entry, file))
        if not wanted:
            return
        with ThreadPoolExecutor(
            max_workers=self.max_concurrency, thread_name_prefix="attach"
        ) as pool:
            verdicts = list(pool.map(lambda one: self._attach(rule, *one), wanted))
        changes = Changes(rule.object)
        failure: CrmError | None = None
        for (fate, entry, file), verdict in zip(wanted, verdicts, strict=True):
            if isinstance(verdict, CrmError):
                failure = failure or verdict
                self.tally.attachments["not_attempted"] += 1
            elif isinstance(verdict, RowError):
                self.tally.attachments["dead"] += 1
                changes.dead.append(letter(rule, fate.record.source, "attach", verdict))
            else:
                self.tally.attachments[verdict] += 1
                self.tally.of(rule.object).attached += verdict == "made"
                if verdict != "not_attempted":
                    entry.marks[FILE_MARK] = FieldMark(
                        hash_value(file.name), fate.record.observed_us
                    )
                    changes.entries.append(entry)
        self.ledger.apply(changes)
        if failure is not None:
            raise failure

    def _attach(
        self, rule: CompiledRule, fate: Fate, entry: Entry, file: WantedFile
    ) -> Verdict | CrmError:
        """One file, and what it takes to know that it is there once."""
        if self.stopping.is_set():
            return "not_attempted"
        attachment = Attachment(file.name, lambda: self.fetcher.fetch(file.url))
        try:
            for attempt in range(1, AMBIGUOUS_ATTEMPTS + 1):
                try:
                    new = fate.name == "created" and attempt == 1
                    return (
                        "made"
                        if self.adapter.attach(rule.object, str(entry.crm_id), attachment, new=new)
                        else "kept"
                    )
                except (
                    AmbiguousAnswerError
                ):  # attach looks for the file first, so to call it again makes no second one
                    self.fetcher.sleep(LATE_S * attempt)
        except BatchRejectedError as rejected:
            return rejected.fault
        except (RowError, BudgetSpentError, CrmError) as fault:
            return fault
        return CrmError(
            f"The fate of a file stayed unknown after {AMBIGUOUS_ATTEMPTS} attempts.",
            "Run again: it will be looked for first.",
        )
