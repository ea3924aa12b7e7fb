"""Salesforce's front: sign-in, sessions, limits, faults; what it answers is in `rows`, `bulk` and `metadata`."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from typing import Any
from urllib.parse import parse_qs

from sandbox.clock import Clock
from sandbox.emulator import Emulator
from sandbox.http import BadJson, Call, Reply, Router
from sandbox.salesforce.soql import MalformedQuery
from sandbox.salesforce.state import Org, RowError

URI_LIMIT = 16_384
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_LIFETIME_S = 300
SIGNATURE_LENGTH = 342
"""Characters of an RS256 signature of a 2,048-bit key."""
DAILY_CALLS = 100_000
VERSIONS = range(52, 68)
PATH = re.compile(r"^/services/data/v(\d+)\.0(/.*)?$")
READ_POSTS = re.compile(r"/composite/?$|/composite/batch/?$|/query/?$")


class TopError(Exception):
    """An error of the whole call: an array of {errorCode, message}."""

    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields


class Salesforce(Emulator):
    """Orgs by session."""

    name = "salesforce"
    router = Router()
    main_token = "sandbox"
    default_pace = (None, 1.0)

    def __init__(self, clock: Clock) -> None:
        self.sessions: dict[str, str] = {}
        self.duplicate_rules = False
        """Whether the org's duplicate rule for contacts is on."""
        self.job_rows: int | None = None
        """While a `job_failed` fault strikes: rows after which a job fails."""
        self.locking = 0.0
        """While a `locked_rows` fault strikes: whether rows that share a parent get in each other's way."""
        super().__init__(clock)

    def reset(self) -> None:
        """Empty orgs, no sessions."""
        super().reset()
        self.sessions = {}
        self.duplicate_rules = False

    def new_account(self, name: str) -> Org:
        """An empty org."""
        return Org(self.clock, self.new_id(), name)

    def inspect(self, call: Call) -> tuple[str, int]:
        """A composite of nothing but reads is a read."""
        if "/oauth2/" in call.path:
            return "auth", 0
        if call.path.startswith("/services/Soap/"):
            return "write", call.body.count(b"<metadata ")
        if call.method == "GET" or call.path.endswith("/jobs/query"):
            return "read", 0
        if call.method == "PUT":
            return "write", max(0, call.body.count(b"\n") - 1)
        if "/jobs/ingest" in call.path:
            return "write", 0
        try:
            given = call.json()
        except BadJson:
            return "write", 0
        if isinstance(given, dict) and isinstance(given.get("compositeRequest"), list):
            writes = [one for one in given["compositeRequest"] if one.get("method") != "GET"]
            return ("write", len(writes)) if writes else ("read", 0)
        if (
            call.method == "POST"
            and isinstance(given, dict)
            and "ids" in given
            and "fields" in given
        ):
            return "read", 0
        return "write", len(given["records"]) if isinstance(given, dict) and isinstance(
            given.get("records"), list
        ) else 1

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Rows of an org, every custom field shown; look-ups and contact roles as links."""
        org: Org = self.account(account)
        if name not in org.objects:
            return None if name.endswith("__c") else []
        return [
            {
                "id": row["Id"],
                "properties": {key: value for key, value in row.items() if key != "Id"},
                "links": self.links(org, name, row),
            }
            for row in org.rows[name].values()
        ]

    @staticmethod
    def links(org: Org, name: str, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Look-ups of a row."""
        found = []
        for key, known in org.objects[name].items():
            if not known["referenceTo"] or not row.get(key) or known["referenceTo"][0] == "User":
                continue
            anywhere = known["referenceTo"] == ["*"]
            holders = (
                [one for one in org.rows if row[key] in org.rows[one]]
                if anywhere
                else known["referenceTo"]
            )
            found += [{"object": holder, "id": row[key], "type": key} for holder in holders]
        return found

    def handle(self, call: Call) -> Reply:
        """Sign in, or check the session and answer."""
        try:
            if call.path.endswith("/services/oauth2/token"):
                return self.sign_in(call)
            if re.match(r"^/services/data/?$", call.path):
                return Reply(
                    200,
                    [
                        {
                            "label": f"v{one}",
                            "url": f"/services/data/v{one}.0",
                            "version": f"{one}.0",
                        }
                        for one in VERSIONS
                    ],
                )
            org = self.org_of(call)
            org.calls += 1
            pace = self.pace_of(org.name)
            if pace.spent:
                raise TopError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            if pace.wait_s(time.monotonic()):
                raise TopError(
                    403,
                    "REQUEST_LIMIT_EXCEEDED",
                    "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
                )
            reply = self.run(call, org)
        except TopError as error:
            return top(error)
        reply.headers["Sforce-Limit-Info"] = f"api-usage={org.calls}/{pace.daily or DAILY_CALLS}"
        return reply

    def run(self, call: Call, org: Org) -> Reply:
        """One call below `/services`, also as a subrequest. Raises: TopError."""
        if (
            len(call.path) + sum(len(key) + len(value) + 2 for key, value in call.query.items())
            > URI_LIMIT
        ):
            raise TopError(414, "URI_TOO_LONG", "Request-URI Too Long")
        match = PATH.match(call.path)
        path = (match.group(2) or "/") if match else call.path
        if match and int(match.group(1)) not in VERSIONS:
            raise TopError(404, "NOT_FOUND", "The requested resource does not exist")
        found = self.router.find(call.method, path)
        if found is None:
            return Reply(
                501,
                [
                    {
                        "errorCode": "NOT_EMULATED",
                        "message": f"the sandbox does not emulate {call.method} {call.path} of Salesforce",
                    }
                ],
            )
        handler, params = found
        try:
            return handler(self, call, org, **params)
        except BadJson as error:
            raise TopError(400, "JSON_PARSER_ERROR", "Unexpected character in the body") from error
        except MalformedQuery as error:
            raise TopError(400, "MALFORMED_QUERY", str(error)) from error
        except RowError as error:
            raise TopError(error.status, error.code, error.message, error.fields) from error

    def sign_in(self, call: Call) -> Reply:
        """Client credentials, JWT bearer or refresh token, as Basic header or form."""
        form = {key: values[0] for key, values in parse_qs(call.body.decode()).items()}
        client, secret = form.get("client_id"), form.get("client_secret")
        scheme, _, basic = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            client, _, secret = base64.b64decode(basic).decode().partition(":")
        if form.get("grant_type") == JWT_GRANT:
            client = secret = issuer_of(form.get("assertion", ""))
        name = self.account_name(client)
        if form.get("grant_type") == "refresh_token":
            secret = client if form.get("refresh_token") else None
        if form.get("grant_type") not in ("client_credentials", "refresh_token", JWT_GRANT):
            return Reply(
                400,
                {
                    "error": "unsupported_grant_type",
                    "error_description": "grant type not supported",
                },
            )
        if name is None or secret != client:
            return Reply(
                401, {"error": "invalid_client", "error_description": "invalid client credentials"}
            )
        org: Org = self.account(name)
        token = f"{org.org_id}!{secrets.token_urlsafe(24)}"
        self.sessions[token] = name
        return Reply(
            200,
            {
                "access_token": token,
                "instance_url": call.base_url,
                "id": f"{call.base_url}/id/{org.org_id}/{org.user_id}",
                "token_type": "Bearer",
                "issued_at": str(int(self.clock.now().timestamp() * 1000)),
                "signature": "sandbox",
                "scope": "api",
            },
        )

    def org_of(self, call: Call) -> Org:
        """The org of a session. Raises: TopError."""
        token = call.bearer
        if call.path.startswith("/services/Soap/"):
            session = re.search(rb"<(?:\w+:)?sessionId>([^<]*)<", call.body)
            token = session.group(1).decode() if session else None
        name = self.sessions.get(token or "") or self.account_name(token)
        if name is None:
            raise TopError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        org: Org = self.account(name)
        return org

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """Salesforce's words for a fault."""
        known = {
            "expired_token": (401, "INVALID_SESSION_ID", "Session expired or invalid"),
            "daily_limit": (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            "401": (401, "INVALID_SESSION_ID", "Session expired or invalid"),
            "403_permission": (
                403,
                "API_DISABLED_FOR_ORG",
                "The REST API is not enabled for this Organization.",
            ),
            "403_address": (
                403,
                "API_CURRENTLY_DISABLED",
                "API is currently disabled for this address",
            ),
            "429": (429, "REQUEST_LIMIT_EXCEEDED", "Too many requests"),
            "unnamed_400": (400, "JSON_PARSER_ERROR", "The request could not be read"),
            "503": (503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable"),
        }
        if fault == "locked_rows":
            self.locking = float(args.get("share", 1))
            try:
                return self.handle(call)
            finally:
                self.locking = 0.0
        if fault == "job_failed":
            self.job_rows = int(args.get("after_rows", 10))
            try:
                return self.handle(call)
            finally:
                self.job_rows = None
        if fault == "expired_token":
            self.sessions.pop(call.bearer or "", None)
        if fault == "empty_success":
            return Reply(200, [])
        if fault == "401" and "/oauth2/" in call.path:
            return Reply(
                401, {"error": "invalid_client", "error_description": "invalid client credentials"}
            )
        status, code, message = known.get(
            fault,
            (
                int(fault) if fault.isdigit() else 500,
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred",
            ),
        )
        reply = top(TopError(status, code, message))
        if fault == "429" and "retry_after_s" in args:
            reply.headers["Retry-After"] = str(args["retry_after_s"])
        return reply


def issuer_of(assertion: str) -> str | None:
    """Who signs in by an assertion that is signed, has the claims it needs and is good for five minutes at most.

    The sandbox has no certificate of the app's, so that the signature itself is not checked.
    """
    parts = assertion.split(".")
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
    except ValueError:
        return None
    left_s = float(claims.get("exp", 0)) - time.time()
    signed = len(parts) == 3 and head.get("alg") == "RS256" and len(parts[2]) >= SIGNATURE_LENGTH
    return (
        str(claims.get("iss"))
        if signed and claims.get("sub") and claims.get("aud") and 0 < left_s <= JWT_LIFETIME_S
        else None
    )


def top(error: TopError) -> Reply:
    """An error of the whole call."""
    item: dict[str, Any] = {"message": error.message, "errorCode": error.code}
    if error.fields:
        item["fields"] = error.fields
    return Reply(error.status, [item])
