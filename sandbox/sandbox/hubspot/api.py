"""HubSpot's front: tokens, limits, faults, and the 2026-09 paths as twins of v3 and v4 ones.

A date-based path is turned into its v3/v4 twin first; what differs is the status of some answers (200 for 201).
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from sandbox.clock import Clock, iso
from sandbox.emulator import Emulator
from sandbox.http import BadJson, Call, Reply, Router
from sandbox.hubspot.state import Portal, RowError

BURST = (250, 10.0)
"""Calls per 10 s of an account with the API limit increase. Source: HubSpot, API usage guidelines, 2026-11."""

TWINS = (
    (
        re.compile(r"^/crm/objects/\d{4}-\d{2}/(\w[\w-]*)/([\w-]+)/associations/"),
        r"/crm/v4/objects/\1/\2/associations/",
    ),
    (re.compile(r"^/crm/objects/\d{4}-\d{2}/"), "/crm/v3/objects/"),
    (re.compile(r"^/crm/associations/\d{4}-\d{2}/"), "/crm/v4/associations/"),
    (re.compile(r"^/crm/properties/\d{4}-\d{2}/"), "/crm/v3/properties/"),
    (re.compile(r"^/crm/pipelines/\d{4}-\d{2}/"), "/crm/v3/pipelines/"),
    (re.compile(r"^/crm/owners/\d{4}-\d{2}"), "/crm/v3/owners"),
    (re.compile(r"^/files/\d{4}-\d{2}/files"), "/files/v3/files"),
    (re.compile(r"^/oauth/\d{4}-\d{2}/"), "/oauth/v1/"),
)
WITHOUT_ROWS = ("tasks", "leads")
"""Standard objects that the control plane knows and nothing can be written to yet."""
READS = re.compile(r"/batch/read/?$|/search/?$")


class HubSpot(Emulator):
    """Portals by token."""

    name = "hubspot"
    router = Router()
    main_token = "sandbox-token"
    default_pace = BURST

    def reset(self) -> None:
        """Empty portals; trace ids are honoured."""
        super().reset()
        self.trace_ids = self.custom_objects = True

    def __init__(self, clock: Clock) -> None:
        self.trace_ids = self.custom_objects = True
        """Whether a row of its own trace id has its own verdict; whether the portal's licence has custom objects."""
        super().__init__(clock)

    def new_account(self, name: str) -> Portal:
        """An empty portal."""
        return Portal(self.clock, self.new_id())

    def inspect(self, call: Call) -> tuple[str, int]:
        """Batch reads and searches are reads although they are posted."""
        if "/oauth/" in call.path:
            return "auth", 0
        if call.method == "GET" or READS.search(call.path):
            return "read", 0
        try:
            given = call.json()
        except BadJson:
            return "write", 0
        return "write", len(given["inputs"]) if isinstance(given, dict) and isinstance(
            given.get("inputs"), list
        ) else 1

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Live records of a portal."""
        portal: Portal = self.account(account)
        if name == "files":
            return [
                {"id": one["id"], "properties": one, "links": []} for one in portal.files.values()
            ]
        kind = portal.kind_of(name)
        if kind is None:
            return [] if name in WITHOUT_ROWS else None
        return [
            {
                "id": one["id"],
                "properties": one["properties"],
                "links": portal.links(kind, one["id"]),
            }
            for one in portal.records[kind].values()
            if not one["archived"]
        ]

    def handle(self, call: Call) -> Reply:
        """Check token and pace, then answer."""
        if call.path.endswith("/oauth/v1/token") or re.match(
            r"^/oauth/\d{4}-\d{2}/token", call.path
        ):
            return self.sign_in(call)
        name = self.account_name(call.bearer)
        if name is None:
            return self.error(
                401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid."
            )
        pace = self.pace_of(name)
        if pace.spent:
            return self.too_many("DAILY")
        if pace.wait_s(time.monotonic()):
            return self.too_many("TEN_SECONDLY_ROLLING")
        path, dated = call.path, False
        for pattern, twin in TWINS:
            path, replaced = pattern.subn(twin, path)
            dated = dated or bool(replaced)
        found = self.router.find(call.method, path)
        if found is None:
            return Reply(
                501,
                {
                    "status": "error",
                    "message": f"the sandbox does not emulate {call.method} {call.path} of HubSpot",
                },
            )
        handler, params = found
        try:
            reply = self._answer(handler, call, self.account(name), params)
        except BadJson:
            reply = self.error(400, "VALIDATION_ERROR", "Invalid input JSON")
        except RowError as error:
            reply = self.error(error.status, error.category, error.message, error)
        if dated and reply.status == 201:
            reply.status = 200
        reply.headers |= {
            "X-HubSpot-RateLimit-Max": str(pace.calls),
            "X-HubSpot-RateLimit-Remaining": str(pace.remaining),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(pace.per_s * 1000)),
        }
        return reply

    def sign_in(self, call: Call) -> Reply:
        """A refresh token for an access token; the client id names the account."""
        form = {key: values[0] for key, values in parse_qs(call.body.decode()).items()}
        client = form.get("client_id", "")
        if (
            form.get("grant_type") != "refresh_token"
            or form.get("refresh_token") != "sandbox-refresh"
            or form.get("client_secret") != client
        ):
            return Reply(
                400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}
            )
        token = client.replace("sandbox", self.main_token, 1)
        return Reply(
            200,
            {
                "access_token": token,
                "expires_in": 1800,
                "token_type": "bearer",
                "refresh_token": "sandbox-refresh",
            },
        )

    def _answer(self, handler: Any, call: Call, portal: Portal, params: dict[str, str]) -> Reply:
        for name in ("kind", "to_kind"):
            if name in params:
                kind = portal.kind_of(params[name])
                if kind is None:
                    return self.error(
                        404, "OBJECT_NOT_FOUND", f"Unable to infer object type from: {params[name]}"
                    )
                params[name] = kind
        reply: Reply = handler(self, call, portal, **params)
        return reply

    def error(self, status: int, category: str, message: str, row: RowError | None = None) -> Reply:
        """HubSpot's error body."""
        body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.uuid4()),
            "category": category,
        }
        if row and row.code:
            body["message"] = (
                f'Property values were not valid: [{{"isValid":false,"message":"{row.message}","error":"{row.code}","name":"{row.prop}"}}]'
            )
            body["errors"] = [
                {"message": row.message, "code": row.code, "context": {"propertyName": [row.prop]}}
            ]
        return Reply(status, body)

    def too_many(self, policy: str, retry_after_s: float | None = None) -> Reply:
        """429; Retry-After only where a fault asks for it, since HubSpot documents none here."""
        reply = self.error(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.")
        reply.body |= {"errorType": "RATE_LIMIT", "policyName": policy}
        if retry_after_s is not None:
            reply.headers["Retry-After"] = str(retry_after_s)
        return reply

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """HubSpot's words for a fault."""
        if fault == "429":
            return self.too_many("TEN_SECONDLY_ROLLING", args.get("retry_after_s"))
        if fault == "daily_limit":
            return self.too_many("DAILY", None)
        if fault == "locked_rows":
            return self.error(423, "LOCKED", "The record is locked by another write.")
        if fault == "expired_token":
            return self.error(
                401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired."
            )
        if fault == "401":
            return self.error(
                401, "INVALID_AUTHENTICATION", "Authentication credentials not found or not valid."
            )
        if fault.startswith("403"):
            reply = self.error(
                403,
                "MISSING_SCOPES",
                "This app hasn't been granted all required scopes to make this call.",
            )
            scopes = {"requiredGranularScopes": ["crm.objects.contacts.write"]}
            reply.body["errors"] = [
                {"message": "One or more scopes are missing.", "context": scopes}
            ]
            return reply
        if fault == "empty_success":
            now = iso(self.clock.now(), 3)
            return Reply(
                200, {"status": "COMPLETE", "results": [], "startedAt": now, "completedAt": now}
            )
        if fault == "unnamed_400":
            return self.error(
                400, "VALIDATION_ERROR", "Invalid input (details will vary based on the error)"
            )
        return self.error(
            int(fault) if fault.isdigit() else 500, "INTERNAL_ERROR", "internal error"
        )
