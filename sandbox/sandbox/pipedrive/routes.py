"""Pipedrive's paths and their handlers; before a handler is called: token and limit.

API v2 for records, their fields, stages and search; v1 for leads, and where v2 has no such call.
"""

from __future__ import annotations

import re
import time
from typing import Any

from sandbox.emulator import NEWLY_REQUIRED, Emulator
from sandbox.http import BadJsonError, Call, Reply, Route, Router
from sandbox.pace import Pace
from sandbox.pipedrive import (
    account,
    by_hand,
    errors,
    fields,
    files,
    leads,
    merges,
    notes,
    records,
    responses,
    search,
)
from sandbox.pipedrive.catalog import KINDS, SEARCHED
from sandbox.pipedrive.errors import RefusedError
from sandbox.pipedrive.fixtures import BURST
from sandbox.pipedrive.state import Company

V1, V2 = "/api/v1", "/api/v2"


def record_routes(kind: str, *before_search: Route) -> tuple[Route, ...]:
    """The calls on the records of v2."""
    path = f"{V2}/{kind}"
    searches = [Route("GET", f"{path}/search", search.search_records, kind=kind)]
    return (
        Route("GET", path, records.list_live, kind=kind),
        *before_search,
        *(searches if kind in SEARCHED else ()),
        Route("POST", path, records.create, kind=kind),
        Route("GET", f"{path}/{{number}}", records.get, kind=kind),
        Route("PATCH", f"{path}/{{number}}", records.update, kind=kind),
        Route("DELETE", f"{path}/{{number}}", records.delete, kind=kind),
    )


def file_route(kind: str) -> Route:
    """The call of v1 that lists the files of a record."""
    return Route("GET", f"{V1}/{kind}/{{number}}/files", files.list_files_of, kind=kind)


def merge_route(kind: str) -> Route:
    """The call of v1 that merges two records."""
    return Route("PUT", f"{V1}/{kind}/{{number}}/merge", merges.merge, kind=kind)


ROUTES = (
    *record_routes("persons"),
    *record_routes(
        "deals", Route("GET", f"{V2}/deals/archived", records.list_archived, kind="deals")
    ),
    *record_routes("organizations"),
    *record_routes("products"),
    *record_routes("activities"),
    Route("GET", f"{V2}/leads/search", search.search_records, kind="leads"),
    Route("GET", f"{V1}/leads", leads.list_live),
    Route("GET", f"{V1}/leads/archived", leads.list_archived),
    Route("POST", f"{V1}/leads", leads.create),
    Route("GET", f"{V1}/leads/{{number}}", leads.get),
    Route("PATCH", f"{V1}/leads/{{number}}", leads.update),
    Route("DELETE", f"{V1}/leads/{{number}}", leads.delete),
    Route("GET", f"{V2}/itemSearch/field", search.search_field),
    Route("GET", f"{V2}/{{fields}}Fields", fields.list_fields),
    Route("POST", f"{V2}/{{fields}}Fields", fields.create_field),
    Route("DELETE", f"{V2}/{{fields}}Fields/{{code}}", fields.delete_field),
    Route("POST", f"{V2}/{{fields}}Fields/{{code}}/options", fields.add_options),
    Route("GET", f"{V2}/stages", account.list_stages),
    Route("GET", f"{V2}/pipelines", account.list_pipelines),
    Route("GET", f"{V1}/users", account.list_users),
    Route("GET", f"{V1}/users/me", account.get_current_user),
    Route("GET", f"{V1}/notes", notes.list_notes),
    Route("POST", f"{V1}/notes", notes.create),
    Route("GET", f"{V1}/notes/{{number}}", notes.get),
    Route("PUT", f"{V1}/notes/{{number}}", notes.update),
    Route("DELETE", f"{V1}/notes/{{number}}", notes.delete),
    Route("POST", f"{V1}/files", files.upload),
    Route("GET", f"{V1}/files", files.list_files),
    Route("DELETE", f"{V1}/files/{{number}}", files.delete),
    *(file_route(kind) for kind in ("persons", "deals", "organizations", "products")),
    *(merge_route(kind) for kind in ("persons", "deals", "organizations")),
    Route("GET", f"{V1}/currencies", account.list_currencies),
)


class Pipedrive(Emulator):
    """Companies by token."""

    name = "pipedrive"
    router = Router(ROUTES)
    main_token = "sandbox-token"
    actions = by_hand.ACTIONS
    default_pace = BURST

    def new_account(self, name: str) -> Company:
        """An empty company."""
        return Company(self.clock, self.new_id(), name)

    def inspect(self, call: Call) -> tuple[str, int]:
        """GET reads; everything else writes one row."""
        if "/oauth/" in call.path:
            return "auth", 0
        return ("read", 0) if call.method == "GET" else ("write", 1)

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """Live rows of a company."""
        company: Company = self.account(account)
        if name == "notes":
            return responses.control_v1_rows(company.notes)
        if name == "files":
            return responses.control_v1_rows(company.files)
        return responses.control_records(company, name) if name in KINDS else None

    def handle(self, call: Call) -> Reply:
        """Check token and pace, then answer."""
        if call.path == "/oauth/token":
            return self._sign_in(call)

        name = self.account_name(call.headers.get("x-api-token") or call.bearer)
        if name is None:
            return errors.error_reply(*errors.UNAUTHORIZED)

        pace = self.pace_of(name)
        wait_s = 0.0 if pace.spent else pace.wait_s(time.monotonic())
        if pace.spent:
            # Checked after counting: the call that uses up the day is refused as well.
            return errors.day_used_up()
        if wait_s:
            return errors.too_many(wait_s)
        return self._answer(call, name, pace)

    def _answer(self, call: Call, account_name: str, pace: Pace) -> Reply:
        match = self.router.find(call.method, re.sub(r"^/v1/", "/api/v1/", call.path))
        if match is None:
            message = f"the sandbox does not emulate {call.method} {call.path} of Pipedrive"
            return Reply(501, {"success": False, "error": message})

        handler, params = match
        try:
            reply = handler(call, self.account(account_name), **params)
        except BadJsonError:
            reply = errors.error_reply(400, "Invalid JSON")
        except RefusedError as refused:
            reply = errors.error_reply(refused.status, refused.message, refused.info)

        reply.headers |= {
            "x-ratelimit-limit": str(pace.calls),
            "x-ratelimit-remaining": str(pace.remaining),
            "x-ratelimit-reset": "2",
            **daily_headers(pace),
        }
        return reply

    def _sign_in(self, call: Call) -> Reply:
        """A refresh token for an access token; the client id names the account."""
        form = call.form()
        client, secret = call.basic or ("", "")
        refreshes = (
            form.get("grant_type") == "refresh_token"
            and form.get("refresh_token") == "sandbox-refresh"
        )
        if not refreshes or not client or secret != client:
            message = "Invalid grant: refresh token is invalid"
            return Reply(400, {"success": False, "error": "invalid_grant", "message": message})

        body = {
            "access_token": client.replace("sandbox", self.main_token, 1),
            "token_type": "Bearer",
            "refresh_token": "sandbox-refresh",
            "expires_in": 3599,
            "scope": "deals:full,contacts:full",
            "api_domain": call.base_url,
        }
        return Reply(200, body)

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """Pipedrive's words for a fault, or what it does to the rows of the call."""
        if fault == "refuse_all":
            return self._handle_requiring(call, str(args.get("field", NEWLY_REQUIRED)))
        return errors.fault_reply(fault, args)

    def _handle_requiring(self, call: Call, name: str) -> Reply:
        """Handle a call while every row needs one more field."""
        token = call.headers.get("x-api-token") or call.bearer
        company: Company = self.account(self.account_name(token))
        company.newly_required = name
        try:
            return self.handle(call)
        finally:
            company.newly_required = ""


def daily_headers(pace: Pace) -> dict[str, str]:
    """Tokens of the day, a call counted as one; seen in practice, and not documented."""
    if pace.daily is None:
        return {}
    return {
        "x-daily-ratelimit-token-limit": str(pace.daily),
        "x-daily-ratelimit-token-remaining": str(pace.left_today),
    }
