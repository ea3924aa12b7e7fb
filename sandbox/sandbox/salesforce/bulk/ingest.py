"""Ingest jobs: create, upload, start, poll, results."""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.salesforce.bulk.jobs import (
    ENDED,
    invalid_job,
    invalid_state,
    job_body,
    job_of,
    new_job,
)
from sandbox.salesforce.bulk.tables import DELIMITERS, read_table, table_reply
from sandbox.salesforce.bulk.work import work
from sandbox.salesforce.errors import CallError, not_an_external_id, not_found
from sandbox.salesforce.state import Org

UPLOAD_LIMIT = 150 * 1000 * 1000
OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


def create(call: Call, org: Org) -> Reply:
    """A new job, open for its upload."""
    body = call.json() or {}
    check_job(org, body)
    job = new_job(org, "ingest", body)
    return Reply(200, job_body(job, org, call))


def check_job(org: Org, wanted: dict[str, Any]) -> None:
    """Check that a job can be created.

    Raises: CallError.
    """
    operation, sobject = wanted.get("operation"), str(wanted.get("object", ""))
    csv = wanted.get("contentType", "CSV") == "CSV"
    if operation not in OPERATIONS:
        raise invalid_job("Unsupported operation")
    if not csv or wanted.get("columnDelimiter", "COMMA") not in DELIMITERS:
        raise invalid_job("Unsupported content type or delimiter")
    if sobject not in org.objects:
        message = f"InvalidEntity : Unable to find object: {sobject}"
        raise CallError(400, "INVALIDENTITY", message)

    key = wanted.get("externalIdFieldName")
    identifies = key and org.visible(sobject).get(key, {}).get("idLookup")
    if operation == "upsert" and not identifies:
        raise invalid_job(not_an_external_id(str(key), sobject))


def upload(call: Call, org: Org, job_id: str) -> Reply:
    """The job's one upload."""
    job = job_of(org, "ingest", job_id)
    if job.state != "Open" or job.uploaded:
        raise invalid_state("Job is not open for an upload, or has one")
    if len(call.body) > UPLOAD_LIMIT:
        raise CallError(413, "REQUEST_ENTITY_TOO_LARGE", "The upload is too large")
    if not call.headers.get("Content-Type", "").startswith("text/csv"):
        raise CallError(415, "UNSUPPORTED_MEDIA_TYPE", "The content is not text/csv")

    delimiter = job.wanted.get("columnDelimiter", "COMMA")
    job.columns, job.rows = read_table(call.body, delimiter, job.wanted.get("lineEnding", "LF"))
    job.uploaded = True
    return Reply(201)


def set_state(call: Call, org: Org, job_id: str) -> Reply:
    """Close the upload, which starts the job, or abort it."""
    job = job_of(org, "ingest", job_id)
    wanted = (call.json() or {}).get("state")
    if wanted == "Aborted" and job.shown_state not in ENDED:
        job.state = "Aborted"
        return Reply(200, job_body(job, org, call))
    if wanted == "UploadComplete" and job.state == "Open":
        job.start()
        work(job, org)
        return Reply(200, {**job_body(job, org, call), "state": "UploadComplete"})
    raise invalid_state(f"Job {job.state} cannot become {wanted}")


def list_jobs(call: Call, org: Org) -> Reply:
    """Every ingest job."""
    bodies = [job_body(job, org, call) for job in org.jobs.values() if job.kind == "ingest"]
    body = {"done": True, "records": bodies, "nextRecordsUrl": None}
    return Reply(200, body, rows=len(bodies))


def get(call: Call, org: Org, job_id: str) -> Reply:
    """How a job stands."""
    return Reply(200, job_body(job_of(org, "ingest", job_id), org, call), rows=0)


def delete(call: Call, org: Org, job_id: str) -> Reply:
    """Forget a job that has ended."""
    if not job_of(org, "ingest", job_id).ended:
        raise invalid_state("The job has not ended")
    del org.jobs[job_id]
    return Reply(204)


def get_results(call: Call, org: Org, job_id: str, results: str) -> Reply:
    """Rows that were written, that failed, or that were not worked on."""
    job = job_of(org, "ingest", job_id)
    if not job.ended:
        raise invalid_state("The job has not ended")

    match results.lower():
        case "successfulresults":
            # In reverse, so that no client relies on the order of its upload.
            lines = [
                {"sf__Id": row_id, "sf__Created": str(created).lower(), **row}
                for row_id, created, row in reversed(job.done)
            ]
            return table_reply(["sf__Id", "sf__Created", *job.columns], lines)
        case "failedresults":
            lines = [{"sf__Id": row_id, "sf__Error": why, **row} for row_id, why, row in job.failed]
            return table_reply(["sf__Id", "sf__Error", *job.columns], lines)
        case "unprocessedrecords":
            return table_reply(job.columns, job.unprocessed)
    raise not_found()
