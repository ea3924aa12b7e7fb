"""Jobs of Bulk API 2.0, call by call.

Source: Salesforce, Bulk API 2.0 developer guide, read 2026-11-23.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

from reverse_etl.crm.http import Answer, Purpose, Upload
from reverse_etl.errors import CrmError, StoppedError

from target_salesforce.api import Request, SalesforceApi
from target_salesforce.errors import json_object, unexpected

RESULT_ROWS = 50_000
"""Rows in a page of query results."""
FIRST_POLL_S, LONGEST_POLL_S, POLL_GROWTH = 0.5, 20.0, 1.5
LONGEST_JOB_S = 6 * 3600.0
CSV_FORMAT = {"contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA"}
CSV_TYPE = {"Content-Type": "text/csv; charset=UTF-8"}
ENDED = ("JobComplete", "Failed", "Aborted")
PERMISSION_HINT = "Check the user's Bulk API permission."
NOTHING_WRITTEN_HINT = "Run again: nothing of it was written."


@dataclass(frozen=True, slots=True)
class Job:
    """A job that Salesforce works on by itself."""

    kind: Literal["ingest", "query"]
    id: str
    object_name: str

    @property
    def path(self) -> str:
        """Its path, below the API version."""
        return f"/jobs/{self.kind}/{self.id}"

    def purpose(self, name: str) -> Purpose:
        """What a call about it is counted as."""
        return Purpose(self.object_name, name)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs of one org."""

    api: SalesforceApi
    sleep: Callable[[float], None]

    def create(self, object_name: str, settings: Mapping[str, Any]) -> Job:
        """A new job for writes, not started yet. Raises: CrmError."""
        purpose = Purpose(object_name, "write")
        answer = self.api.post("/jobs/ingest", purpose, {**settings, **CSV_FORMAT})
        body = json_object(answer, f"a new bulk job of {object_name}", PERMISSION_HINT)
        return Job("ingest", str(body["id"]), object_name)

    def upload(self, job: Job, file: IO[bytes]) -> None:
        """Upload a job's rows. Raises: CrmError."""

        def body() -> IO[bytes]:
            file.seek(0)
            return file

        request = Request(
            "PUT", f"{job.path}/batches", job.purpose("write"), upload=Upload(body, CSV_TYPE)
        )
        answer = self.api.call(request)
        # The first attempt may have been carried out and only its answer lost: then the second one
        # is refused, and the job is still open.
        if not answer.ok and self._state(job) != "Open":
            raise unexpected(answer, "a bulk upload", NOTHING_WRITTEN_HINT)

    def start(self, job: Job) -> None:
        """Start a job whose rows have been uploaded. Raises: CrmError."""
        answer = self._patch(job, "UploadComplete")
        # As above: a job that is no longer open has been started by an attempt without an answer.
        if not answer.ok and self._state(job) == "Open":
            raise unexpected(answer, "the start of a bulk job", NOTHING_WRITTEN_HINT)

    def abort_or_wait(self, job: Job) -> None:
        """Wait for a job that was started; abort a job that was not. Raises: CrmError."""
        answer = self.api.get(job.path, job.purpose("poll"), missing_ok=True)
        if answer.status == 404:
            return  # Salesforce has deleted it
        if isinstance(answer.body, dict) and answer.body.get("state") == "Open":
            self._patch(job, "Aborted")
        else:
            self.wait(job, lambda: False)

    def _patch(self, job: Job, state: str) -> Answer:
        return self.api.call(
            Request("PATCH", job.path, job.purpose("write"), json={"state": state})
        )

    def _state(self, job: Job) -> str:
        """The job's state; empty if Salesforce does not say."""
        body = self.api.get(job.path, job.purpose("poll")).body
        return str(body.get("state", "")) if isinstance(body, dict) else ""

    def wait(self, job: Job, stopping: Callable[[], bool]) -> Mapping[str, Any]:
        """The job, once it has ended. Raises: CrmError, StoppedError if `stopping` says so."""
        wait_s, waited_s = FIRST_POLL_S, 0.0
        while waited_s <= LONGEST_JOB_S:
            answer = self.api.get(job.path, job.purpose("poll"))
            hint = "Run again: the next run waits for the job first."
            body = json_object(answer, "a poll of a bulk job", hint)
            if body["state"] in ENDED:
                return body
            if stopping():
                raise StoppedError(0)

            self.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(LONGEST_POLL_S, wait_s * POLL_GROWTH)

        raise CrmError(
            f"The bulk job {job.id} has not ended after {waited_s:.0f} s.",
            "Run again: the next run waits for the job first.",
        )

    def results(self, job: Job, name: str) -> Iterator[dict[str, str]]:
        """The rows of one of a job's results. Raises: CrmError."""
        with tempfile.TemporaryFile() as file:
            self._download(job, name, file)
            yield from rows_of(file)

    def query(self, object_name: str, soql: str) -> Iterator[dict[str, str]]:
        """The rows of a query run as a job, in no particular order. Raises: CrmError."""
        body = {"operation": "query", "query": soql}
        answer = self.api.post("/jobs/query", Purpose(object_name, "find"), body)
        created = json_object(answer, f"a bulk query of {object_name}", PERMISSION_HINT)
        job = Job("query", str(created["id"]), object_name)

        state = self.wait(job, lambda: False)["state"]
        if state != "JobComplete":
            message = f"The bulk query {job.id} of {object_name} ended as {state}."
            raise CrmError(message, "Run again.")
        yield from self._query_pages(job)

    def _query_pages(self, job: Job) -> Iterator[dict[str, str]]:
        page = f"results?maxRecords={RESULT_ROWS}"
        locator = ""
        while locator != "null":
            with tempfile.TemporaryFile() as file:
                next_page = f"{page}&locator={locator}" if locator else page
                answer = self._download(job, next_page, file)
                yield from rows_of(file)
            locator = answer.headers.get("Sforce-Locator") or "null"

    def _download(self, job: Job, name: str, file: IO[bytes]) -> Answer:
        """Write results of a job into a file. Raises: CrmError."""
        purpose = job.purpose("results")
        answer = self.api.call(Request("GET", f"{job.path}/{name}", purpose, into=file))
        if not answer.ok:
            hint = "Run again: its rows are looked up first."
            raise unexpected(answer, f"the results of a bulk {job.kind} job", hint)
        return answer


def rows_of(file: IO[bytes]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)
