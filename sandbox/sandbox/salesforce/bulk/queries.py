"""Query jobs: create, poll, results."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.salesforce.bulk.jobs import invalid_job, invalid_state, job_body, job_of, new_job
from sandbox.salesforce.bulk.tables import cells, table_reply
from sandbox.salesforce.queries import run_query
from sandbox.salesforce.soql import parse
from sandbox.salesforce.state import Org

RESULT_PAGE = 50_000


def create(call: Call, org: Org) -> Reply:
    """A query as a job."""
    body = call.json() or {}
    if body.get("operation") not in ("query", "queryAll"):
        raise invalid_job("Unsupported operation")

    query = parse(str(body.get("query", "")))
    job = new_job(org, "query", {**body, "object": query.sobject})
    job.results = run_query(org, query, deleted=body["operation"] == "queryAll")
    job.columns, job.state = query.fields, "JobComplete"
    job.start()
    return Reply(200, {**job_body(job, org, call), "state": "UploadComplete"})


def get(call: Call, org: Org, job_id: str) -> Reply:
    """How a query stands."""
    return Reply(200, job_body(job_of(org, "query", job_id), org, call), rows=0)


def abort(call: Call, org: Org, job_id: str) -> Reply:
    """Abort a query."""
    job = job_of(org, "query", job_id)
    if (call.json() or {}).get("state") != "Aborted":
        raise invalid_state("A query can only be aborted")
    job.state = "Aborted"
    return Reply(200, job_body(job, org, call))


def delete(call: Call, org: Org, job_id: str) -> Reply:
    """Forget a query."""
    del org.jobs[job_of(org, "query", job_id).id]
    return Reply(204)


def get_results(call: Call, org: Org, job_id: str) -> Reply:
    """A page of a query's rows, and where the next one is."""
    job = job_of(org, "query", job_id)
    if job.shown_state != "JobComplete":
        raise invalid_state("The job has not ended")

    start = int(call.query.get("locator") or 0)
    end = start + min(int(call.query.get("maxRecords") or RESULT_PAGE), RESULT_PAGE)
    page = [cells(row) for row in job.results[start:end]]
    reply = table_reply(job.columns, page)
    reply.headers |= {
        "Sforce-Locator": str(end) if end < len(job.results) else "null",
        "Sforce-NumberOfRecords": str(len(page)),
    }
    return reply
