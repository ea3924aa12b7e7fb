"""Bulk API 2.0: many rows as jobs, and a whole object's keys as one query.

An upload is CSV of at most 100 MB, sorted by parent, since pieces of a job run at the same time and would lock each
other out of a parent they share. An empty cell leaves a field alone, `#N/A` clears it. Results are joined on the external
id, or on the record's id for updates; a row without a verdict is the caller's to send again.
Source: Salesforce, Bulk API 2.0 developer guide, read 2026-11-23.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Answer, Purpose, Upload
from reverse_etl.errors import CrmError, StoppedError
from reverse_etl.pipeline.batch import parent_key
from reverse_etl.records import Write
from reverse_etl.values import Value, plain_number

from target_salesforce.api import PASSING, row_fault

UPLOAD_BYTES = 100 * 1000 * 1000
"""An upload's size: 150 MB after base64. Source: Bulk API 2.0 guide, Upload Job Data, read 2026-11-23."""
RESULT_ROWS = 50_000
"""Rows of a page of query results."""
FIRST_POLL_S, LONGEST_POLL_S, POLL_GROWTH = 0.5, 20.0, 1.5
LONGEST_JOB_S = 6 * 3600.0
ENDED = ("JobComplete", "Failed", "Aborted")
NULL = "#N/A"
PERMISSION = "Check the user's Bulk API permission."
LOOK_UPS_A_QUERY = 400

Call = Callable[..., Answer]
"""`call(method, path, purpose, body, upload=…, into=…)` to the org."""


def cell(value: Value) -> str:
    """A value as a cell."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ";".join(value)
    return value if isinstance(value, str) else plain_number(value)


def fits(write: Write) -> bool:
    """Whether a row can travel as CSV: a text that reads `#N/A` would clear its field."""
    return not any(value == NULL for value in write.fields.values())


@dataclass(slots=True)
class Verdicts:
    """Results of jobs, by key for creates and by id for updates."""

    written: dict[str, str] = field(default_factory=dict)
    """The record's id by name."""
    refused: dict[str, RowResult] = field(default_factory=dict)

    def of(self, write: Write) -> RowResult | None:
        """The verdict on a row; None where it has to be sent again."""
        name = str(write.crm_id) if write.kind == "update" else write.key.casefold()
        return RowResult(self.written[name]) if name in self.written else self.refused.get(name)


@dataclass(slots=True)
class Bulk:
    """Jobs of one org."""

    call: Call
    max_jobs: int = 4
    sleep: Callable[[float], None] = time.sleep

    # Ingest

    def run(
        self,
        object_name: str,
        key_field: str,
        fields_of: Callable[[Write], Mapping[str, Value]],
        blocks: Callable[[], Iterator[Sequence[Write]]],
        began: Callable[[str], None],
        ended: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> Verdicts:
        """Writes of one kind as jobs, several at once, until all have ended. Raises: CrmError, StoppedError."""
        verdicts = Verdicts()
        with Sorted() as rows:
            creating = rows.fill(blocks(), key_field, fields_of)
            given: dict[str, Any] = {
                "object": object_name,
                "operation": "upsert" if creating else "update",
            }
            if creating:
                given["externalIdFieldName"] = key_field
            joined = key_field if creating else "Id"
            uploads = rows.uploads(UPLOAD_BYTES)
            with ThreadPoolExecutor(max_workers=self.max_jobs, thread_name_prefix="job") as pool:
                while True:
                    parts = [
                        part
                        for _ in range(self.max_jobs)
                        if (part := next(uploads, None)) is not None
                    ]
                    if not parts:
                        return verdicts
                    jobs = [self._create(object_name, given, began) for _ in parts]
                    done = [
                        pool.submit(
                            self._job, object_name, job_id, part, joined, verdicts, stopping
                        )
                        for job_id, part in zip(jobs, parts, strict=True)
                    ]
                    for job_id, one in zip(jobs, done, strict=True):
                        one.result()
                        ended(job_id)

    def _create(
        self, object_name: str, given: Mapping[str, Any], began: Callable[[str], None]
    ) -> str:
        body = {**given, "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA"}
        answer = self.call("POST", "/jobs/ingest", Purpose(object_name, "write"), body)
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Salesforce answered {answer.status} to a new bulk job of {object_name}.",
                "Check the user's Bulk API permission.",
            )
        began(str(answer.body["id"]))
        return str(answer.body["id"])

    def _job(
        self,
        object_name: str,
        job_id: str,
        part: IO[bytes],
        joined: str,
        verdicts: Verdicts,
        stopping: Callable[[], bool],
    ) -> None:
        """Upload, start, wait, and join the results. Raises: CrmError, StoppedError."""
        purpose = Purpose(object_name, "write")

        def body() -> IO[bytes]:
            part.seek(0)
            return part

        with part:
            upload = Upload(body, {"Content-Type": "text/csv; charset=UTF-8"})
            answer = self.call(
                "PUT", f"/jobs/ingest/{job_id}/batches", purpose, None, upload=upload
            )
        if not answer.ok and not self._is(object_name, job_id, "Open"):
            raise refused(answer, "a bulk upload", "Run again: nothing of it was written.")
        answer = self.call("PATCH", f"/jobs/ingest/{job_id}", purpose, {"state": "UploadComplete"})
        if not answer.ok and self._is(object_name, job_id, "Open"):
            raise refused(
                answer, "the start of a bulk job", "Run again: nothing of it was written."
            )
        job = self._ended(object_name, job_id, "ingest", stopping)
        if job["state"] == "Failed" and not job.get("numberRecordsProcessed"):
            told = str(job.get("errorMessage", ""))
            raise CrmError(
                f"The bulk job {job_id} of {object_name} failed: {told}",
                "Check the fields of the mapping and the user's access.",
            )
        self._join(
            object_name, job_id, joined, verdicts, failed=bool(job.get("numberRecordsFailed", 1))
        )

    def _is(self, object_name: str, job_id: str, state: str) -> bool:
        """Whether a call that looked refused was carried out before its answer was lost."""
        answer = self.call("GET", f"/jobs/ingest/{job_id}", Purpose(object_name, "poll"))
        return isinstance(answer.body, dict) and answer.body.get("state") == state

    def _ended(
        self, object_name: str, job_id: str, kind: str, stopping: Callable[[], bool]
    ) -> Mapping[str, Any]:
        """The job once it has ended. Raises: CrmError, StoppedError."""
        wait_s, waited_s = FIRST_POLL_S, 0.0
        while True:
            answer = self.call("GET", f"/jobs/{kind}/{job_id}", Purpose(object_name, "poll"))
            if not answer.ok or not isinstance(answer.body, dict):
                raise CrmError(
                    f"Salesforce answered {answer.status} to a poll of a bulk job.",
                    "Run again: the job is seen to its end first.",
                )
            if answer.body["state"] in ENDED:
                return answer.body
            if stopping():
                raise StoppedError(0)
            if waited_s > LONGEST_JOB_S:
                raise CrmError(
                    f"The bulk job {job_id} has not ended after {waited_s:.0f} s.",
                    "Run again: it is seen to its end first.",
                )
            self.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(LONGEST_POLL_S, wait_s * POLL_GROWTH)

    def _join(
        self, object_name: str, job_id: str, joined: str, verdicts: Verdicts, *, failed: bool
    ) -> None:
        """Read a job's results and give each row its verdict."""
        path = f"/jobs/ingest/{job_id}"
        for row in self._table(object_name, f"{path}/successfulResults"):
            name = row["sf__Id"] if joined == "Id" else row[joined].casefold()
            verdicts.written[name] = row["sf__Id"]
        if not failed:
            return
        for row in self._table(object_name, f"{path}/failedResults"):
            fault = error_of(row["sf__Error"])
            name = (row.get("Id") or row["sf__Id"]) if joined == "Id" else row[joined].casefold()
            verdicts.refused[name] = RowResult(
                fault=row_fault(fault), again=fault["statusCode"] in PASSING
            )

    def _table(self, object_name: str, path: str) -> Iterator[dict[str, str]]:
        """Rows of a CSV answer, through a file. Raises: CrmError."""
        with tempfile.TemporaryFile() as file:
            answer = self.call("GET", path, Purpose(object_name, "results"), into=file)
            if not answer.ok:
                raise CrmError(
                    f"Salesforce answered {answer.status} to the results of a bulk job.",
                    "Run again: its rows are looked up then.",
                )
            yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))

    def finish(self, object_name: str, job_id: str) -> None:
        """See a job of an earlier run to its end; one that was never started is called off. Raises: CrmError."""
        answer = self.call(
            "GET", f"/jobs/ingest/{job_id}", Purpose(object_name, "poll"), missing_ok=True
        )
        if answer.status == 404:
            return
        if isinstance(answer.body, dict) and answer.body.get("state") == "Open":
            self.call(
                "PATCH",
                f"/jobs/ingest/{job_id}",
                Purpose(object_name, "write"),
                {"state": "Aborted"},
            )
            return
        self._ended(object_name, job_id, "ingest", lambda: False)

    # Query

    def query(self, object_name: str, soql: str) -> Iterator[dict[str, str]]:
        """Rows of a query, run as a job; its order is not defined. Raises: CrmError."""
        purpose = Purpose(object_name, "find")
        answer = self.call("POST", "/jobs/query", purpose, {"operation": "query", "query": soql})
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Salesforce answered {answer.status} to a bulk query of {object_name}.",
                "Check the user's Bulk API permission.",
            )
        job_id = str(answer.body["id"])
        job = self._ended(object_name, job_id, "query", lambda: False)
        if job["state"] != "JobComplete":
            raise CrmError(
                f"The bulk query {job_id} of {object_name} ended as {job['state']}.", "Run again."
            )
        locator = ""
        while locator != "null":
            more = f"&locator={locator}" if locator else ""
            with tempfile.TemporaryFile() as file:
                path = f"/jobs/query/{job_id}/results?maxRecords={RESULT_ROWS}{more}"
                answer = self.call("GET", path, Purpose(object_name, "results"), into=file)
                if not answer.ok:
                    raise refused(answer, "the results of a bulk query", "Run again.")
                yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
            locator = answer.headers.get("Sforce-Locator", "null") or "null"


def refused(answer: Answer, what: str, hint: str) -> CrmError:
    """The error of a call that did not do what it should."""
    return CrmError(f"Salesforce answered {answer.status} to {what}.", hint)


def error_of(text: str) -> dict[str, Any]:
    """`CODE:message:fields --` as a collection's error."""
    code, _, rest = text.partition(":")
    message, _, fields = rest.rpartition(":")
    names = [name.strip() for name in fields.removesuffix("--").split(",") if name.strip()]
    return {"statusCode": code, "message": message or rest, "fields": names}


class Sorted:
    """Rows of an upload on disk, in the order of their parents. The file has no name."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE rows (parent TEXT, cells TEXT)")
        self._columns: dict[str, None] = {}

    def __enter__(self) -> Sorted:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def fill(
        self,
        blocks: Iterator[Sequence[Write]],
        key_field: str,
        fields_of: Callable[[Write], Mapping[str, Value]],
    ) -> bool:
        """Take the rows in; whether they are creates."""
        creating = True
        for block in blocks:
            creating = block[0].kind == "create"
            lines = []
            for write in block:
                if not fits(write):
                    continue
                own = {name: cell(value) for name, value in fields_of(write).items()}
                own |= {key_field: write.key} if creating else {"Id": str(write.crm_id)}
                self._columns |= dict.fromkeys(own)
                lines.append((parent_key(write), json.dumps(own)))
            self._base.executemany("INSERT INTO rows VALUES (?, ?)", lines)
        return creating

    def uploads(self, limit: int) -> Iterator[IO[bytes]]:
        """CSV files of at most `limit` bytes, each with the header."""
        columns = list(self._columns)
        text = io.StringIO()
        line_of = csv.DictWriter(text, columns, lineterminator="\n")

        def line(row: Mapping[str, str]) -> bytes:
            text.seek(0)
            text.truncate()
            line_of.writerow(row)
            return text.getvalue().encode("utf-8", "surrogatepass")

        header = line(dict(zip(columns, columns, strict=True)))
        file: IO[bytes] | None = None
        for (cells,) in self._base.execute("SELECT cells FROM rows ORDER BY parent"):
            encoded = line(json.loads(cells))
            if file is not None and file.tell() + len(encoded) > limit:
                yield file
                file = None
            if file is None:
                file = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
                file.write(header)
            file.write(encoded)
        if file is not None:
            yield file


class Snapshot:
    """An object's keys, match fields and mapped fields, read once and looked up on disk. The file has no name."""

    def __init__(self, key_field: str, match_fields: Sequence[str], fields: Sequence[str]) -> None:
        self.key_field, self.match_fields, self.fields = (
            key_field,
            tuple(match_fields),
            tuple(fields),
        )
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, cells TEXT) WITHOUT ROWID")
        self._base.execute("CREATE TABLE names (field TEXT, value TEXT, id TEXT)")

    def covers(self, key_field: str, match_fields: Sequence[str], fields: Sequence[str]) -> bool:
        """Whether it can answer for these fields."""
        return (
            key_field == self.key_field
            and set(match_fields) <= set(self.match_fields)
            and set(fields) <= set(self.fields)
        )

    def fill(self, rows: Iterator[Mapping[str, str]]) -> None:
        """Take the rows in, by thousands."""
        lines: list[tuple[str, str]] = []
        names: list[tuple[str, str, str]] = []
        for row in rows:
            lines.append((row["Id"], json.dumps(row)))
            names += [
                (name, row[name].casefold(), row["Id"])
                for name in (self.key_field, *self.match_fields)
                if row.get(name)
            ]
            if len(lines) >= 1000:
                self._insert(lines, names)
        self._insert(lines, names)
        self._base.execute("CREATE INDEX by_name ON names (field, value)")

    def _insert(self, lines: list[tuple[str, str]], names: list[tuple[str, str, str]]) -> None:
        self._base.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", lines)
        self._base.executemany("INSERT INTO names VALUES (?, ?, ?)", names)
        lines.clear()
        names.clear()

    def rows(self, field_name: str, values: Sequence[str]) -> Iterator[dict[str, str]]:
        """Rows whose field has one of these values, without case."""
        wanted = list(dict.fromkeys(value.casefold() for value in values))
        for start in range(0, len(wanted), LOOK_UPS_A_QUERY):
            part = wanted[start : start + LOOK_UPS_A_QUERY]
            marks = ", ".join("?" * len(part))
            found = f"SELECT DISTINCT cells FROM names JOIN rows USING (id) WHERE field = ? AND value IN ({marks})"  # marks only
            for (cells,) in self._base.execute(found, (field_name, *part)):
                yield json.loads(cells)
