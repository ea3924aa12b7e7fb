"""Files of records that the CRM holds: each is attached once, and has an outcome of its own.

A file is known by its name. The ledger remembers that it was attached; if it does not, the CRM is
asked before anything is sent. Invariant: attachments wanted = made + kept + dead + not_attempted.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from reverse_etl.crm.adapter import Attachment, FileAdapter
from reverse_etl.crm.download import Fetcher
from reverse_etl.errors import (
    INTERNAL,
    AmbiguousAnswerError,
    BatchRejectedError,
    BudgetSpentError,
    CrmError,
    FatalError,
    RowError,
    StoppedError,
    internal_error,
)
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import FILE_MARK, Changes, Entry, FieldMark, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.held import with_marks
from reverse_etl.pipeline.internal_errors import InternalErrors
from reverse_etl.pipeline.letters import letter
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.settle import Settlement
from reverse_etl.records import Outcome, SourceRecord, WantedFile

AMBIGUOUS_ATTEMPTS = 3
LATE_S = 5.0
"""Time that an upload with a lost response gets to appear, before the file is looked for again."""

Result = Literal["made", "kept", "not_attempted"] | RowError | CrmError


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to attach to a record that the CRM holds."""

    file: WantedFile
    entry: Entry
    source: SourceRecord
    new: bool
    """True if the record was created a moment ago, so that it can hold no file yet."""


@dataclass(frozen=True, slots=True)
class Attacher:
    """Attaches the files of settled records."""

    files: FileAdapter
    ledger: Ledger
    outcomes: Outcomes
    control: RunControl
    fetcher: Fetcher
    internal: InternalErrors
    max_concurrency: int = 1

    def attach(self, settlement: Settlement) -> None:
        """Attach the files of a block.

        Raises: CrmError, or FatalError if too many files in a row meet an error of ours; once all
        that were sent are settled.
        """
        if not self.control.may_call():
            return
        uploads = self._uploads(settlement)
        if not uploads:
            return
        with ThreadPoolExecutor(self.max_concurrency, thread_name_prefix="attach") as pool:
            results = list(pool.map(partial(self._upload, settlement.rule), uploads))
        self._settle_checked(settlement, uploads, results)
        for error in (result for result in results if isinstance(result, CrmError)):
            if not isinstance(error, BudgetSpentError):
                raise error
            self.control.spend(str(error))

    def _uploads(self, settlement: Settlement) -> list[Upload]:
        """The files of a block that the ledger does not know to be in place."""
        uploads: list[Upload] = []
        for outcome in settlement.outcomes:
            upload = upload_of(settlement, outcome)
            if upload is None:
                continue
            self.outcomes.attachments.planned()
            if is_attached(upload.entry, upload.file):
                self.outcomes.attachments.settled("kept")
            else:
                uploads.append(upload)
        return uploads

    def _settle_checked(
        self, settlement: Settlement, uploads: Sequence[Upload], results: Sequence[Result]
    ) -> None:
        """Record what became of the files; a bug that meets many leaves them for the next run.

        Raises: FatalError.
        """
        keys = (upload.source.key for upload in uploads)
        errors = (result if isinstance(result, RowError) else None for result in results)
        try:
            self.internal.note(settlement.rule.name, zip(keys, errors, strict=True))
        except FatalError:
            self._settle(settlement, uploads, [without_internal(result) for result in results])
            raise
        self._settle(settlement, uploads, results)

    def _settle(
        self, settlement: Settlement, uploads: Sequence[Upload], results: Sequence[Result]
    ) -> None:
        """Record what became of the files, in one transaction."""
        rule = settlement.rule
        changes = Changes(rule.object)
        for upload, result in zip(uploads, results, strict=True):
            if isinstance(result, RowError):
                self.outcomes.attachments.settled("dead")
                changes.dead.append(letter(rule, upload.source, "attach", result))
            elif isinstance(result, CrmError) or result == "not_attempted":
                self.outcomes.attachments.settled("not_attempted")
            else:
                self.outcomes.attachments.settled(result)
                self.outcomes.of(rule.object).worked("attached", int(result == "made"))
                mark = FieldMark(hash_value(upload.file.name), upload.source.observed_us)
                changes.entries.append(with_marks(upload.entry, {FILE_MARK: mark}))
        self.ledger.apply(changes)
        settlement.entries |= {entry.key: entry for entry in changes.entries}

    def _upload(self, rule: CompiledRule, upload: Upload) -> Result:
        """One file, and what it takes to know that the CRM holds it once."""
        if not self.control.may_call():
            return "not_attempted"
        attachment = Attachment(upload.file.name, lambda: self.fetcher.fetch(upload.file.url))
        crm_id = str(upload.entry.crm_id)
        try:
            self.fetcher.check(upload.file.url)  # before the CRM is asked for the file, run by run
            for attempt in range(1, AMBIGUOUS_ATTEMPTS + 1):
                try:
                    new = upload.new and attempt == 1
                    made = self.files.attach(rule.object, crm_id, attachment, new=new)
                except AmbiguousAnswerError:
                    # `attach` looks for the file first, so calling it again makes no second one.
                    self.fetcher.sleep(LATE_S * attempt)
                else:
                    return "made" if made else "kept"
        except BatchRejectedError as rejected:
            return rejected.fault
        except StoppedError:
            return "not_attempted"
        except (RowError, BudgetSpentError, CrmError) as error:
            return error
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001  # seen: a dead letter names class and place
            return internal_error(error)
        return CrmError(
            f"The outcome of a file stayed unknown after {AMBIGUOUS_ATTEMPTS} attempts.",
            "Run again: it will be looked for first.",
        )


def without_internal(result: Result) -> Result:
    """The result of a file, which was not attempted if it met an error of ours."""
    met = isinstance(result, RowError) and result.code == INTERNAL
    return "not_attempted" if met else result


def is_attached(entry: Entry, file: WantedFile | None) -> bool:
    """Returns True if the ledger knows that the file is in place, or there is none."""
    if file is None:
        return True
    mark = entry.marks.get(FILE_MARK)
    return mark is not None and mark.hash == hash_value(file.name)


def upload_of(settlement: Settlement, outcome: Outcome) -> Upload | None:
    """The file that goes with an outcome's record; None if there is none, or no record for it."""
    record = outcome.record
    if record is None or record.file is None or not outcome.holds:
        return None
    entry = settlement.entries.get(record.key)
    if entry is None or entry.crm_id is None:
        return None
    return Upload(record.file, entry, record.source, outcome.name == "created")
