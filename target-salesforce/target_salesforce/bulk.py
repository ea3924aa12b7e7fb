"""Many writes as jobs of Bulk API 2.0.

Results are joined on the external ID, or on the record's id for updates. The caller sends a row
without a result again.
Source: Salesforce, Bulk API 2.0 developer guide, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

from reverse_etl.crm.adapter import JobAdapter, RowResult
from reverse_etl.errors import BudgetSpentError, CrmError
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo, key_of

from target_salesforce.errors import PASSING, row_fault
from target_salesforce.fields import Fields
from target_salesforce.jobs import Job, Jobs
from target_salesforce.upload import SortedRows, cell
from target_salesforce.write import fields_by_key

UPLOAD_BYTES = 100 * 1000 * 1000
"""Size of an upload: 150 MB after base64.
Source: Bulk API 2.0 guide, Upload Job Data, read 2026-11-23."""
JOBS_AT_ONCE = 4


@dataclass(slots=True)
class Verdicts:
    """Results of jobs, by key for creates and by id for updates."""

    written: dict[str, str] = field(default_factory=dict)
    """The record's id."""
    refused: dict[str, RowResult] = field(default_factory=dict)
    failure: CrmError | None = None
    """The first error that would fail every row, or that ended a job."""

    def of(self, write: Write) -> RowResult | None:
        """The verdict on a row; None if it has to be sent again."""
        name = str(write.crm_id) if write.kind == "update" else write.key
        if name in self.written:
            return RowResult(self.written[name])
        return self.refused.get(name)


@dataclass(frozen=True, slots=True)
class Load:
    """What the jobs of one call have in common."""

    object_name: str
    key_field: str
    creating: bool
    key_info: FieldInfo
    relationships: Mapping[str, str]
    """By lookup field: the name of the relationship."""

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a new job."""
        if not self.creating:
            return {"object": self.object_name, "operation": "update"}
        return {
            "object": self.object_name,
            "operation": "upsert",
            "externalIdFieldName": self.key_field,
        }

    def cells(self, write: Write) -> dict[str, str]:
        """A row, with the column that its result is joined on."""
        fields = fields_by_key(write, self.relationships)
        cells = {column: cell(value) for column, value in fields.items()}
        if self.creating:
            return {self.key_field: write.key, **cells}  # as the source spells it
        return cells | {"Id": str(write.crm_id)}

    def name_of(self, row: Mapping[str, str]) -> str:
        """The name, as in `Verdicts`, of the row that a result is about."""
        if self.creating:
            return key_of(self.key_info, row[self.key_field])
        return row.get("Id") or row["sf__Id"]


@dataclass(frozen=True, slots=True)
class BulkRun:
    """The jobs of one call, until all have ended."""

    jobs: Jobs
    load: Load
    began: Callable[[str], None]
    ended: Callable[[str], None]
    stopping: Callable[[], bool]
    verdicts: Verdicts = field(default_factory=Verdicts)

    def send(self, files: Iterator[IO[bytes]]) -> None:
        """Send each file as a job, several at once, until one fails.

        What became of the other rows is joined first. Raises: CrmError, StoppedError.
        """
        with ThreadPoolExecutor(max_workers=JOBS_AT_ONCE, thread_name_prefix="job") as pool:
            while batch := list(islice(files, JOBS_AT_ONCE)):
                jobs = [self._create() for _ in batch]
                sent = [
                    pool.submit(self._send_file, job, file)
                    for job, file in zip(jobs, batch, strict=True)
                ]
                for job, result in zip(jobs, sent, strict=True):
                    self._finish(job, result)
                if self.verdicts.failure is not None:
                    return

    def _finish(self, job: Job, sent: Future[None]) -> None:
        try:
            sent.result()
        except BudgetSpentError:
            raise
        except CrmError as error:
            self.verdicts.failure = self.verdicts.failure or error
        else:
            self.ended(job.id)

    def _create(self) -> Job:
        # The ledger knows a job before anything is uploaded: if this run is killed, the next one
        # waits for the job instead of sending its rows a second time.
        job = self.jobs.create(self.load.object_name, self.load.settings)
        self.began(job.id)
        return job

    def _send_file(self, job: Job, file: IO[bytes]) -> None:
        """Upload, start, wait, and join the results. Raises: CrmError, StoppedError."""
        with file:
            self.jobs.upload(job, file)
        self.jobs.start(job)

        state = self.jobs.wait(job, self.stopping)
        if state["state"] == "Failed" and not state.get("numberRecordsProcessed"):
            reason = str(state.get("errorMessage", ""))
            raise CrmError(
                f"The bulk job {job.id} of {job.object_name} failed: {reason}",
                "Check the fields of the mapping and the user's access.",
            )
        self._join(job, any_failed=bool(state.get("numberRecordsFailed", 1)))

    def _join(self, job: Job, *, any_failed: bool) -> None:
        """Store the verdict on each row, and the first error that would fail every row.

        Raises: CrmError.
        """
        for row in self.jobs.results(job, "successfulResults"):
            self.verdicts.written[self.load.name_of(row)] = row["sf__Id"]
        if not any_failed:
            return

        for row in self.jobs.results(job, "failedResults"):
            error = error_of(row["sf__Error"])
            # Despite the sorting, a row may find its parent locked. Nothing is wrong with the row,
            # so the core sends it again, in the end by calls.
            again = error["statusCode"] in PASSING
            try:
                result = RowResult(fault=row_fault(error), again=again)
            except CrmError as failure:  # the rows that were written are settled first
                self.verdicts.failure = self.verdicts.failure or failure
                continue
            self.verdicts.refused[self.load.name_of(row)] = result


@dataclass(frozen=True, slots=True)
class Bulk(JobAdapter):
    """Writes as jobs of one org."""

    jobs: Jobs
    fields: Fields

    def run_jobs(
        self,
        object_name: str,
        key_field: str,
        blocks: Callable[[], Iterator[Sequence[Write]]],
        began: Callable[[str], None],
        ended: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> Verdicts:
        """Writes of one kind as jobs, until all have ended. Raises: CrmError, StoppedError."""
        relationships = self.fields.relationships.get(object_name, {})
        load: Load | None = None
        key_info = self.fields.infos[object_name][key_field]
        with SortedRows() as rows:
            for block in blocks():
                creating = block[0].kind == "create"
                load = load or Load(object_name, key_field, creating, key_info, relationships)
                rows.add(block, load.cells)
            if load is None:
                return Verdicts()

            run = BulkRun(self.jobs, load, began, ended, stopping)
            run.send(rows.files(UPLOAD_BYTES))
            return run.verdicts

    def finish_job(self, object_name: str, job_id: str) -> None:
        """Wait for a job of an earlier run; abort it if it was never started. Raises: CrmError."""
        self.jobs.abort_or_wait(Job("ingest", job_id, object_name))


def error_of(text: str) -> dict[str, Any]:
    """A failed row's `CODE:message:fields --`, in the form of a collection's error."""
    code, _, rest = text.partition(":")
    message, _, fields = rest.rpartition(":")
    names = [name.strip() for name in fields.removesuffix("--").split(",") if name.strip()]
    return {"statusCode": code, "message": message or rest, "fields": names}
