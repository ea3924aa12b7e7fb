"""Bulk API 2.0: ingest jobs and query jobs.

A job's rows are written when its upload is closed; for a moment it still shows as being worked on, as a real one does.
Source: Salesforce Bulk API 2.0 developer guide, read 2026-11-23; answers as jsforce and simple-salesforce take them.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import iso
from sandbox.http import Call, Reply
from sandbox.salesforce.api import Salesforce, TopError
from sandbox.salesforce.rows import by_external_id, known_object, run_query
from sandbox.salesforce.soql import parse
from sandbox.salesforce.state import Org, RowError, long_id

UPLOAD_LIMIT = 150 * 1000 * 1000
INTERNAL_BATCH = 10_000
"""Rows that Salesforce works on in one piece; pieces run at the same time."""
WORK_S = 0.3
"""How long a job shows as InProgress."""
RESULT_PAGE = 50_000
OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
NULL = "#N/A"
DELIMITERS = {
    "COMMA": ",",
    "TAB": "\t",
    "SEMICOLON": ";",
    "PIPE": "|",
    "CARET": "^",
    "BACKQUOTE": "`",
}

route = Salesforce.router.add


@dataclass(slots=True)
class Job:
    """One job; `kind` is ingest or query."""

    id: str
    kind: str
    given: dict[str, Any]
    created_at: str
    state: str = "Open"
    rows: list[dict[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    uploaded: bool = False
    unprocessed: list[dict[str, str]] = field(default_factory=list)
    done: list[tuple[str, bool, dict[str, str]]] = field(default_factory=list)
    failed: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    ready_at: float = 0.0

    @property
    def shown_state(self) -> str:
        """The state as a poll sees it."""
        return (
            "InProgress"
            if self.state in ("JobComplete", "Failed") and time.monotonic() < self.ready_at
            else self.state
        )


def job_of(org: Org, kind: str, job_id: str) -> Job:
    """A job. Raises: TopError."""
    job: Job | None = org.jobs.get(job_id)
    if job is None or job.kind != kind:
        raise TopError(404, "NOT_FOUND", "The requested resource does not exist")
    return job


def shown(job: Job, org: Org, version: str) -> dict[str, Any]:
    """A job as the API shows it."""
    body = {
        "id": job.id,
        "operation": job.given["operation"],
        "object": job.given.get("object"),
        "createdById": org.user_id,
        "createdDate": job.created_at,
        "systemModstamp": job.created_at,
        "state": job.shown_state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(version),
        "lineEnding": job.given.get("lineEnding", "LF"),
        "columnDelimiter": job.given.get("columnDelimiter", "COMMA"),
    }
    if job.kind == "ingest":
        body |= {
            "jobType": "V2Ingest",
            "contentUrl": f"services/data/v{version}/jobs/ingest/{job.id}/batches",
        }
        if job.given.get("externalIdFieldName"):
            body["externalIdFieldName"] = job.given["externalIdFieldName"]
    else:
        body["jobType"] = "V2Query"
    if job.shown_state in ("JobComplete", "Failed"):
        body |= {
            "numberRecordsProcessed": len(job.done) + len(job.failed) + len(job.found),
            "numberRecordsFailed": len(job.failed),
            "retries": 0,
            "totalProcessingTime": int(WORK_S * 1000),
            "apiActiveProcessingTime": int(WORK_S * 1000),
            "apexProcessingTime": 0,
        }
    if job.error and job.shown_state == "Failed":
        body["errorMessage"] = job.error
    return body


def version_of(call: Call) -> str:
    """The API version of a path."""
    return call.path.split("/v", 1)[1].split("/", 1)[0]


def new_job(org: Org, kind: str, given: dict[str, Any]) -> Job:
    """A job of an org."""
    job = Job(
        long_id("750", len(org.jobs) + 1), kind, given, iso(org.clock.now(), 3)[:19] + ".000+0000"
    )
    org.jobs[job.id] = job
    return job


# Ingest


@route("POST", "/jobs/ingest")
def create_ingest(api: Salesforce, call: Call, org: Org) -> Reply:
    """A new job, open for its upload."""
    given = call.json() or {}
    if given.get("operation") not in OPERATIONS:
        raise TopError(400, "INVALIDJOB", "InvalidJob : Unsupported operation")
    if (
        given.get("contentType", "CSV") != "CSV"
        or given.get("columnDelimiter", "COMMA") not in DELIMITERS
    ):
        raise TopError(400, "INVALIDJOB", "InvalidJob : Unsupported content type or delimiter")
    sobject = str(given.get("object", ""))
    if sobject not in org.objects:
        raise TopError(400, "INVALIDENTITY", f"InvalidEntity : Unable to find object: {sobject}")
    key = given.get("externalIdFieldName")
    if given["operation"] == "upsert" and (
        not key or not org.visible(sobject).get(key, {}).get("idLookup")
    ):
        raise TopError(
            400,
            "INVALIDJOB",
            f"InvalidJob : Field name provided, {key} is not an External ID or indexed field for {sobject}",
        )
    job = new_job(org, "ingest", given)
    return Reply(200, shown(job, org, version_of(call)))


@route("PUT", "/jobs/ingest/{job_id}/batches")
def upload(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """The job's one upload."""
    job = job_of(org, "ingest", job_id)
    if job.state != "Open" or job.uploaded:
        raise TopError(400, "INVALIDJOBSTATE", "Job is not open for an upload, or has one")
    if len(call.body) > UPLOAD_LIMIT:
        raise TopError(413, "REQUEST_ENTITY_TOO_LARGE", "The upload is too large")
    if not call.headers.get("Content-Type", "").startswith("text/csv"):
        raise TopError(415, "UNSUPPORTED_MEDIA_TYPE", "The content is not text/csv")
    ending = "\r\n" if job.given.get("lineEnding") == "CRLF" else "\n"
    text = call.body.decode("utf-8")
    rows = csv.reader(
        io.StringIO(text, newline=ending),
        delimiter=DELIMITERS[job.given.get("columnDelimiter", "COMMA")],
    )
    job.columns = next(rows, [])
    job.rows = [dict(zip(job.columns, row, strict=False)) for row in rows if row]
    job.uploaded = True
    return Reply(201)


@route("PATCH", "/jobs/ingest/{job_id}")
def set_ingest_state(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """Close the upload, which starts the job, or abort it."""
    job = job_of(org, "ingest", job_id)
    wanted = (call.json() or {}).get("state")
    if wanted == "Aborted" and job.shown_state not in ("JobComplete", "Failed"):
        job.state = "Aborted"
    elif wanted == "UploadComplete" and job.state == "Open":
        job.ready_at = time.monotonic() + WORK_S
        work(job, org, api.locking, api.job_rows)
    else:
        raise TopError(400, "INVALIDJOBSTATE", f"Job {job.state} cannot become {wanted}")
    body = shown(job, org, version_of(call))
    return Reply(
        200, {**body, "state": "UploadComplete" if wanted == "UploadComplete" else body["state"]}
    )


@route("GET", "/jobs/ingest")
def list_ingest(api: Salesforce, call: Call, org: Org) -> Reply:
    """Every ingest job."""
    found = [shown(job, org, version_of(call)) for job in org.jobs.values() if job.kind == "ingest"]
    return Reply(200, {"done": True, "records": found, "nextRecordsUrl": None}, rows=len(found))


@route("GET", "/jobs/ingest/{job_id}")
def get_ingest(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """How a job stands."""
    return Reply(200, shown(job_of(org, "ingest", job_id), org, version_of(call)), rows=0)


@route("DELETE", "/jobs/ingest/{job_id}")
def delete_ingest(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """Forget a job that has ended."""
    job = job_of(org, "ingest", job_id)
    if job.shown_state not in ("JobComplete", "Failed", "Aborted"):
        raise TopError(400, "INVALIDJOBSTATE", "The job has not ended")
    del org.jobs[job_id]
    return Reply(204)


@route("GET", "/jobs/ingest/{job_id}/{results}")
def ingest_results(api: Salesforce, call: Call, org: Org, job_id: str, results: str) -> Reply:
    """Rows that were written, that failed, or that were not worked on."""
    job = job_of(org, "ingest", job_id)
    if job.shown_state not in ("JobComplete", "Failed", "Aborted"):
        raise TopError(400, "INVALIDJOBSTATE", "The job has not ended")
    kind = results.lower()
    if kind == "successfulresults":
        lines = [
            {"sf__Id": row_id, "sf__Created": str(created).lower(), **row}
            for row_id, created, row in reversed(job.done)
        ]
        return table(["sf__Id", "sf__Created", *job.columns], lines)
    if kind == "failedresults":
        return table(
            ["sf__Id", "sf__Error", *job.columns],
            [{"sf__Id": one, "sf__Error": why, **row} for one, why, row in job.failed],
        )
    if kind == "unprocessedrecords":
        return table(job.columns, job.unprocessed)
    raise TopError(404, "NOT_FOUND", "The requested resource does not exist")


def table(columns: list[str], lines: list[dict[str, str]]) -> Reply:
    """CSV with every cell quoted, as Salesforce writes it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return Reply(
        200, text.getvalue().encode(), {"Content-Type": "text/csv; charset=UTF-8"}, rows=len(lines)
    )


def work(job: Job, org: Org, locking: float, fails_after: int | None = None) -> None:
    """Write a job's rows; each has its own verdict."""
    sobject = job.given["object"]
    known = org.visible(sobject)
    for name in job.columns:
        if name not in known and relation_of(known, name) is None and name != "Id":
            job.state, job.error = "Failed", f"InvalidBatch : Field name not found : {name}"
            return
    locked = locked_rows(job, known) if locking else set()
    seen: set[str] = set()
    for number, row in enumerate(job.rows):
        if number == fails_after:
            job.state, job.error, job.unprocessed = (
                "Failed",
                "InternalServerError : Batch failed",
                job.rows[number:],
            )
            return
        if number % INTERNAL_BATCH == 0:
            seen = set()
        try:
            if number in locked:
                raise RowError(
                    "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", []
                )
            row_id, created = work_row(job, org, known, row, seen)
            job.done.append((row_id, created, row))
        except (RowError, TopError) as error:
            fields = ",".join(error.fields or [])
            job.failed.append((row.get("Id", ""), f"{error.code}:{error.message}:{fields} --", row))
    job.state = "JobComplete"


def work_row(
    job: Job, org: Org, known: dict[str, Any], row: dict[str, str], seen: set[str]
) -> tuple[str, bool]:
    """The id of a row, and whether it is new. Raises: RowError, TopError."""
    sobject, operation, key = (
        job.given["object"],
        job.given["operation"],
        str(job.given.get("externalIdFieldName")),
    )
    given = {
        name: typed(known, name, value)
        for name, value in row.items()
        if value != "" and name != "Id"
    }
    if operation == "upsert" and key != "Id":
        value = row.get(key, "")
        if not value:
            raise RowError("MISSING_ARGUMENT", f"{key} not specified", [key])
        if value.lower() in seen:
            raise RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [key])
        seen.add(value.lower())
        before = by_external_id(org, sobject, key, value)
    elif operation == "insert":
        before = None
    else:
        before = org.rows[known_object(org, sobject)].get(row.get("Id", ""))
        if before is None:
            raise RowError("ENTITY_IS_DELETED", "entity is deleted", [])
    if operation in ("delete", "hardDelete"):
        assert before is not None
        org.delete(sobject, before)
        return str(before["Id"]), False
    written = org.write(sobject, before, org.check(sobject, given, before))
    return str(written["Id"]), before is None


def typed(known: dict[str, Any], name: str, value: str) -> Any:
    """A cell as JSON would hold it; #N/A is null, and a relationship's external id an object."""
    if value == NULL:
        return None
    if name not in known:
        return {name.partition(".")[2]: value}
    kind = known[name]["type"]
    if kind in ("double", "currency", "percent", "int"):
        try:
            return float(value)
        except ValueError:
            return value
    return (
        value.lower() == "true"
        if kind == "boolean" and value.lower() in ("true", "false")
        else value
    )


def relation_of(known: dict[str, Any], column: str) -> dict[str, Any] | None:
    """The look-up of a column such as `Contact__r.Key__c`."""
    name, dot, _ = column.partition(".")
    return next((one for one in known.values() if dot and one["relationshipName"] == name), None)


def locked_rows(job: Job, known: dict[str, Any]) -> set[int]:
    """Rows whose parent is also written to by another piece of the job at the same time; the first to come has the lock."""
    parents = [
        name
        for name in job.columns
        if relation_of(known, name) is not None or (name in known and known[name]["referenceTo"])
    ]
    holders: dict[str, int] = {}
    locked = set()
    for number, row in enumerate(job.rows):
        piece = number // max(1, min(INTERNAL_BATCH, len(job.rows) // 4))
        for name in parents:
            if row.get(name) and holders.setdefault(row[name], piece) != piece:
                locked.add(number)
    return locked


# Query


@route("POST", "/jobs/query")
def create_query(api: Salesforce, call: Call, org: Org) -> Reply:
    """A query as a job."""
    given = call.json() or {}
    if given.get("operation") not in ("query", "queryAll"):
        raise TopError(400, "INVALIDJOB", "InvalidJob : Unsupported operation")
    query = parse(str(given.get("query", "")))
    job = new_job(org, "query", {**given, "object": query.sobject})
    job.found = run_query(org, query)
    job.columns, job.state, job.ready_at = query.fields, "JobComplete", time.monotonic() + WORK_S
    return Reply(200, {**shown(job, org, version_of(call)), "state": "UploadComplete"})


@route("GET", "/jobs/query/{job_id}")
def get_query(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """How a query stands."""
    return Reply(200, shown(job_of(org, "query", job_id), org, version_of(call)), rows=0)


@route("PATCH", "/jobs/query/{job_id}")
def abort_query(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """Abort a query."""
    job = job_of(org, "query", job_id)
    if (call.json() or {}).get("state") != "Aborted":
        raise TopError(400, "INVALIDJOBSTATE", "A query can only be aborted")
    job.state = "Aborted"
    return Reply(200, shown(job, org, version_of(call)))


@route("DELETE", "/jobs/query/{job_id}")
def delete_query(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """Forget a query."""
    job_of(org, "query", job_id)
    del org.jobs[job_id]
    return Reply(204)


@route("GET", "/jobs/query/{job_id}/results")
def query_results(api: Salesforce, call: Call, org: Org, job_id: str) -> Reply:
    """A page of a query's rows, and where the next one is."""
    job = job_of(org, "query", job_id)
    if job.shown_state != "JobComplete":
        raise TopError(400, "INVALIDJOBSTATE", "The job has not ended")
    start = int(call.query.get("locator") or 0)
    size = min(int(call.query.get("maxRecords") or RESULT_PAGE), RESULT_PAGE)
    page = list(cells(job.found[start : start + size]))
    reply = table(job.columns, page)
    more = start + size < len(job.found)
    reply.headers |= {
        "Sforce-Locator": str(start + size) if more else "null",
        "Sforce-NumberOfRecords": str(len(page)),
    }
    return reply


def cells(rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Rows as CSV has them: null is empty."""
    for row in rows:
        yield {name: text_of(value) for name, value in row.items() if name != "attributes"}


def text_of(value: Any) -> str:
    """A value as a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
