"""A bulk job, and the job as the API shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.http import Call
from sandbox.salesforce.errors import CallError, not_found
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.state import Org

WORK_S = 0.3
"""How long a job shows as InProgress."""
ENDED = ("JobComplete", "Failed")


@dataclass(slots=True)
class Job:
    """A job; `kind` is ingest or query, `wanted` the body that created it."""

    id: str
    kind: str
    wanted: dict[str, Any]
    created_at: str
    state: str = "Open"
    rows: list[dict[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    uploaded: bool = False
    unprocessed: list[dict[str, str]] = field(default_factory=list)
    done: list[tuple[str, bool, dict[str, str]]] = field(default_factory=list)
    """Id, True if it was created, and the row as uploaded."""
    failed: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Id, error, and the row as uploaded."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """Rows of a query."""
    error: str = ""
    ready_at: float = 0.0

    @property
    def shown_state(self) -> str:
        """The state as a poll sees it."""
        working = self.state in ENDED and time.monotonic() < self.ready_at
        return "InProgress" if working else self.state

    @property
    def ended(self) -> bool:
        """Returns True if nothing more will happen to the job."""
        return self.shown_state in (*ENDED, "Aborted")

    def start(self) -> None:
        """Show the job as InProgress for a moment."""
        self.ready_at = time.monotonic() + WORK_S

    def fail(self, error: str) -> None:
        """End the job with an error."""
        self.state, self.error = "Failed", error


def new_job(org: Org, kind: str, wanted: dict[str, Any]) -> Job:
    """Add a job to an org."""
    job = Job(long_id("750", len(org.jobs) + 1), kind, wanted, org.now())
    org.jobs[job.id] = job
    return job


def job_of(org: Org, kind: str, job_id: str) -> Job:
    """The job a path names.

    Raises: CallError.
    """
    job: Job | None = org.jobs.get(job_id)
    if job is None or job.kind != kind:
        raise not_found()
    return job


def invalid_job(message: str) -> CallError:
    """The error for a job that cannot be created."""
    return CallError(400, "INVALIDJOB", f"InvalidJob : {message}")


def invalid_state(message: str) -> CallError:
    """The error for a job in another state than the call wants."""
    return CallError(400, "INVALIDJOBSTATE", message)


def job_body(job: Job, org: Org, call: Call) -> dict[str, Any]:
    """A job as the API shows it in the version of a call."""
    version = call.path.split("/v", 1)[1].split("/", 1)[0]
    body = {
        "id": job.id,
        "operation": job.wanted["operation"],
        "object": job.wanted.get("object"),
        "createdById": org.user_id,
        "createdDate": job.created_at,
        "systemModstamp": job.created_at,
        "state": job.shown_state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(version),
        "lineEnding": job.wanted.get("lineEnding", "LF"),
        "columnDelimiter": job.wanted.get("columnDelimiter", "COMMA"),
        **kind_body(job, version),
    }
    if job.shown_state in ENDED:
        body |= progress(job)
    if job.error and job.shown_state == "Failed":
        body["errorMessage"] = job.error
    return body


def kind_body(job: Job, version: str) -> dict[str, Any]:
    """What only an ingest job or only a query job shows."""
    if job.kind == "query":
        return {"jobType": "V2Query"}

    url = f"services/data/v{version}/jobs/ingest/{job.id}/batches"
    body = {"jobType": "V2Ingest", "contentUrl": url}
    if job.wanted.get("externalIdFieldName"):
        body["externalIdFieldName"] = job.wanted["externalIdFieldName"]
    return body


def progress(job: Job) -> dict[str, int]:
    """The counts and times of a job that has ended."""
    work_ms = int(WORK_S * 1000)
    return {
        "numberRecordsProcessed": len(job.done) + len(job.failed) + len(job.results),
        "numberRecordsFailed": len(job.failed),
        "retries": 0,
        "totalProcessingTime": work_ms,
        "apiActiveProcessingTime": work_ms,
        "apexProcessingTime": 0,
    }
