"""Salesforce's paths and their handlers; before a handler is called: session and limits."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.clock import Clock
from sandbox.emulator import Emulator
from sandbox.http import BadJsonError, Call, Reply, Route, Router
from sandbox.salesforce import (
    account,
    by_hand,
    collections,
    errors,
    metadata,
    queries,
    responses,
    sessions,
    sobjects,
)
from sandbox.salesforce.bulk import ingest
from sandbox.salesforce.bulk import queries as query_jobs
from sandbox.salesforce.composite import composite
from sandbox.salesforce.errors import CallError, RowError
from sandbox.salesforce.fixtures import DAILY_CALLS, VERSIONS
from sandbox.salesforce.row_faults import RowFaults
from sandbox.salesforce.soql import MalformedQueryError
from sandbox.salesforce.state import Org

URI_LIMIT = 16_384
VERSIONED = re.compile(r"^/services/data/v(\d+)\.0(/.*)?$")
VERSION_LIST = re.compile(r"^/services/data/?$")
COLLECTIONS = "/composite/sobjects"
INGEST, QUERY_JOBS = "/jobs/ingest", "/jobs/query"
SOBJECT = "/sobjects/{sobject}"


def run_composite(call: Call, org: Org) -> Reply:
    """Up to 25 subrequests, at most 5 of them queries or collections."""
    return composite(call, lambda part: run_part(part, org))


ROUTES = (
    Route("GET", "/services/oauth2/userinfo", account.userinfo),
    Route("GET", "/", account.resources),
    Route("GET", "/limits", account.limits),
    Route("GET", "/sobjects", sobjects.global_describe),
    Route("GET", f"{SOBJECT}/describe", sobjects.describe),
    Route("POST", SOBJECT, sobjects.create),
    Route("GET", f"{SOBJECT}/{{row_id}}", sobjects.get),
    Route("PATCH", f"{SOBJECT}/{{row_id}}", sobjects.update),
    Route("DELETE", f"{SOBJECT}/{{row_id}}", sobjects.delete),
    Route("GET", f"{SOBJECT}/{{name}}/{{value}}", sobjects.get_by_external_id),
    Route("PATCH", f"{SOBJECT}/{{name}}/{{value}}", sobjects.upsert),
    Route("PATCH", f"{COLLECTIONS}/{{sobject}}/{{name}}", collections.upsert),
    Route("PATCH", COLLECTIONS, collections.update),
    Route("POST", COLLECTIONS, collections.create),
    Route("POST", f"{COLLECTIONS}/{{sobject}}", collections.retrieve),
    Route("GET", "/query", queries.query),
    Route("GET", "/queryAll", queries.query_all),
    Route("GET", "/query/{locator}", queries.query_more),
    Route("POST", "/composite", run_composite),
    Route("POST", INGEST, ingest.create),
    Route("PUT", f"{INGEST}/{{job_id}}/batches", ingest.upload),
    Route("PATCH", f"{INGEST}/{{job_id}}", ingest.set_state),
    Route("GET", INGEST, ingest.list_jobs),
    Route("GET", f"{INGEST}/{{job_id}}", ingest.get),
    Route("DELETE", f"{INGEST}/{{job_id}}", ingest.delete),
    Route("GET", f"{INGEST}/{{job_id}}/{{results}}", ingest.get_results),
    Route("POST", QUERY_JOBS, query_jobs.create),
    Route("GET", f"{QUERY_JOBS}/{{job_id}}", query_jobs.get),
    Route("PATCH", f"{QUERY_JOBS}/{{job_id}}", query_jobs.abort),
    Route("DELETE", f"{QUERY_JOBS}/{{job_id}}", query_jobs.delete),
    Route("GET", f"{QUERY_JOBS}/{{job_id}}/results", query_jobs.get_results),
    Route("POST", "/tooling/sobjects/CustomField", metadata.create_custom_field),
    Route("POST", "/services/Soap/m/{version}", metadata.call_metadata),
    Route("POST", "/services/Soap/u/{version}", account.call_partner),
)
ROUTER = Router(ROUTES)


class Salesforce(Emulator):
    """Orgs by session.

    The switch `duplicate_rules` turns on the duplicate rule for contacts, `multi_currency` several
    currencies in every org.
    """

    name = "salesforce"
    router = ROUTER
    main_token = "sandbox"
    actions = by_hand.ACTIONS
    default_pace = (None, 1.0)
    default_switches: ClassVar[Mapping[str, bool]] = {
        "duplicate_rules": False,
        "multi_currency": False,
    }

    def __init__(self, clock: Clock) -> None:
        self.row_faults = RowFaults()
        super().__init__(clock)

    def reset(self) -> None:
        """Empty the orgs, end every session."""
        super().reset()
        self.sessions: dict[str, str] = {}

    def new_account(self, name: str) -> Org:
        """An empty org."""
        return Org(self.clock, self.new_id(), name, self.switches, self.row_faults)

    def inspect(self, call: Call) -> tuple[str, int]:
        """A composite of nothing but reads is a read."""
        if "/oauth2/" in call.path:
            return "auth", 0
        if call.path.startswith("/services/Soap/"):
            components = call.body.count(b"<metadata ") + call.body.count(b"<ids>")
            return ("write", components) if components else ("read", 0)
        if call.method == "GET" or call.path.endswith(QUERY_JOBS):
            return "read", 0
        if call.method == "PUT":
            return "write", max(0, call.body.count(b"\n") - 1)
        if INGEST in call.path:
            return "write", 0

        try:
            body = call.json()
        except BadJsonError:
            return "write", 0
        return inspect_body(call.method, body) if isinstance(body, dict) else ("write", 1)

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Rows of an org; custom objects have to be created first."""
        org: Org = self.account(account)
        if name not in org.objects:
            return None if name.endswith("__c") else []
        return responses.control_rows(org, name)

    def handle(self, call: Call) -> Reply:
        """Sign in, or check the session and answer."""
        if call.path.endswith("/services/oauth2/token"):
            return self._sign_in(call)
        if VERSION_LIST.match(call.path):
            return Reply(200, [version_body(number) for number in VERSIONS])

        org = self._org_of(call)
        if org is None:
            return errors.invalid_session(call)
        try:
            return self._answer(call, org)
        except CallError as error:
            return errors.call_error_reply(error)

    def _answer(self, call: Call, org: Org) -> Reply:
        org.calls += 1
        pace = self.pace_of(org.name)
        if pace.spent:
            raise CallError(*errors.DAILY_LIMIT)
        if pace.wait_s(time.monotonic()):
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            raise CallError(403, "REQUEST_LIMIT_EXCEEDED", message)

        reply = run(call, org)
        reply.headers["Sforce-Limit-Info"] = f"api-usage={org.calls}/{pace.daily or DAILY_CALLS}"
        return reply

    def _sign_in(self, call: Call) -> Reply:
        client, secret = sessions.credentials(call)
        if call.form().get("grant_type") not in sessions.GRANTS:
            return sessions.unsupported_grant()
        if sessions.is_refused_here(call):
            return sessions.not_on_this_domain()
        name = self.account_name(client)
        if name is None or secret != client:
            return errors.invalid_client()

        org: Org = self.account(name)
        token = f"{org.org_id}!{secrets.token_urlsafe(24)}"
        self.sessions[token] = name
        return Reply(200, sessions.session_body(call, org, token))

    def _org_of(self, call: Call) -> Org | None:
        """The org of a session; None if the session has ended."""
        token = sessions.token_of(call)
        name = self.sessions.get(token or "") or self.account_name(token)
        org: Org | None = None if name is None else self.account(name)
        return org

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """Salesforce's words for a fault, or what it does to the rows of the call."""
        row_faults = row_faults_of(fault, args)
        if row_faults is not None:
            return self._handle_with(call, row_faults)

        if fault == "expired_token":
            self.sessions.pop(call.bearer or "", None)
            return errors.invalid_session(call)
        if fault == "401" and "/oauth2/" in call.path:
            return errors.invalid_client()
        return errors.fault_reply(fault, args)

    def _handle_with(self, call: Call, row_faults: RowFaults) -> Reply:
        """Handle a call while a fault strikes its rows."""
        self.row_faults.become(row_faults)
        try:
            return self.handle(call)
        finally:
            self.row_faults.become(RowFaults())


def row_faults_of(fault: str, args: dict[str, Any]) -> RowFaults | None:
    """What a fault does to rows; None if it strikes the whole call."""
    match fault:
        case "locked_rows":
            return RowFaults(locked=bool(float(args.get("share", 1))))
        case "job_failed":
            return RowFaults(job_rows=int(args.get("after_rows", 10)))
        case "unreadable_rows":
            return RowFaults(unreadable=frozenset(args.get("rows", [0])))
        case "refuse_all":
            return RowFaults(refusal=errors.refusal_of_all(args))
    return None


def inspect_body(method: str, body: dict[str, Any]) -> tuple[str, int]:
    """The kind of a call by its body, and the rows it sends."""
    parts, records = body.get("compositeRequest"), body.get("records")
    if isinstance(parts, list):
        writes = [part for part in parts if part.get("method") != "GET"]
        return ("write", len(writes)) if writes else ("read", 0)
    if method == "POST" and "ids" in body and "fields" in body:
        return "read", 0
    return "write", len(records) if isinstance(records, list) else 1


def version_body(number: int) -> dict[str, str]:
    """A version of the API."""
    url = f"/services/data/v{number}.0"
    return {"label": f"v{number}", "url": url, "version": f"{number}.0"}


def run(call: Call, org: Org) -> Reply:
    """The response to a call on an org.

    Raises: CallError.
    """
    query_length = sum(len(name) + len(value) + 2 for name, value in call.query.items())
    if len(call.path) + query_length > URI_LIMIT:
        raise CallError(414, "URI_TOO_LONG", "Request-URI Too Long")

    versioned = VERSIONED.match(call.path)
    if versioned and int(versioned.group(1)) not in VERSIONS:
        raise errors.not_found()
    reply = answer(call, org)
    return reply or errors.not_emulated(f"{call.method} {call.path}")


def run_part(call: Call, org: Org) -> Reply:
    """The response to a part of a composite, whose error is its own."""
    try:
        reply = answer(call, org)
    except CallError as error:
        return errors.call_error_reply(error)
    return reply or errors.call_error_reply(errors.not_found())


def answer(call: Call, org: Org) -> Reply | None:
    """The response of a handler, None if the call is not emulated.

    Raises: CallError.
    """
    versioned = VERSIONED.match(call.path)
    path = (versioned.group(2) or "/") if versioned else call.path
    match = ROUTER.find(call.method, path)
    if match is None:
        return None

    handler, params = match
    try:
        return handler(call, org, **params)
    except BadJsonError as error:
        raise CallError(400, "JSON_PARSER_ERROR", "Unexpected character in the body") from error
    except MalformedQueryError as error:
        raise CallError(400, "MALFORMED_QUERY", str(error)) from error
    except RowError as error:
        raise CallError(error.status, error.code, error.message, error.fields) from error
