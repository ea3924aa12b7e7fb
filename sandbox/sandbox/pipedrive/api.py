"""Pipedrive's API v2 for persons, deals, their fields, stages and search; v1 where v2 has no call."""

from __future__ import annotations

import base64
import re
import time
from typing import Any
from urllib.parse import parse_qs

from sandbox.emulator import Emulator
from sandbox.http import BadJson, Call, Reply, Router
from sandbox.pipedrive.state import KINDS, Company, Refused

PAGE_LIMIT = 500
IDS_LIMIT = 100
BURST = (80, 2.0)
"""Calls per 2 s and token by OAuth on the smallest plan. Source: Pipedrive, Rate limiting, 2026-11."""
FIELD_LISTS = {"personFields": "persons", "dealFields": "deals"}


class Pipedrive(Emulator):
    """Companies by token."""

    name = "pipedrive"
    router = Router()
    main_token = "sandbox-token"
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
        """Live records by field name; options by their label."""
        company: Company = self.account(account)
        if name in ("notes", "files"):
            return self.v1_objects(company, company.notes if name == "notes" else company.files)
        if name not in KINDS:
            return None
        known = company.custom(name)
        rows = []
        for record in company.live(name):
            own = {
                key: value for key, value in record.items() if key not in ("id", "custom_fields")
            }
            for key, value in record["custom_fields"].items():
                labels = {one["id"]: one["label"] for one in known[key].get("options", [])}
                own[known[key]["field_name"]] = (
                    labels.get(value, value)
                    if not isinstance(value, list)
                    else [labels[one] for one in value]
                )
            person = record.get("person_id")
            links = [{"object": "persons", "id": person, "type": "person_id"}] if person else []
            rows.append({"id": record["id"], "properties": own, "links": links})
        return rows

    @staticmethod
    def v1_objects(company: Company, rows: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
        """Notes or files, and what they belong to."""
        shown = []
        for row in rows.values():
            if not row["active_flag"]:
                continue
            owners = (("persons", "person_id"), ("deals", "deal_id"))
            links = [
                {"object": kind, "id": row[name], "type": name}
                for kind, name in owners
                if row[name]
            ]
            shown.append(
                {
                    "id": row["id"],
                    "properties": {name: value for name, value in row.items() if name != "id"},
                    "links": links,
                }
            )
        return shown

    def handle(self, call: Call) -> Reply:
        """Check token and pace, then answer."""
        if call.path == "/oauth/token":
            return self.sign_in(call)
        name = self.account_name(call.headers.get("x-api-token") or call.bearer)
        if name is None:
            return self.error(401, "unauthorized access")
        pace = self.pace_of(name)
        wait = 0.0 if pace.spent else pace.wait_s(time.monotonic())
        if pace.spent:
            return self.fault_reply("daily_limit", call, {})
        if wait:
            return self.too_many(wait)
        path = re.sub(r"^/v1/", "/api/v1/", call.path)
        found = self.router.find(call.method, path)
        if found is None:
            return Reply(
                501,
                {
                    "success": False,
                    "error": f"the sandbox does not emulate {call.method} {call.path} of Pipedrive",
                },
            )
        handler, params = found
        try:
            reply = handler(self, call, self.account(name), **params)
        except BadJson:
            reply = self.error(400, "Invalid JSON")
        except Refused as refused:
            reply = self.error(refused.status, refused.message, refused.info)
        left = str(pace.remaining)
        reply.headers |= {
            "x-ratelimit-limit": str(pace.calls),
            "x-ratelimit-remaining": left,
            "x-ratelimit-reset": "2",
        }
        return reply

    def sign_in(self, call: Call) -> Reply:
        """A refresh token for an access token; the client id names the account."""
        form = {key: values[0] for key, values in parse_qs(call.body.decode()).items()}
        scheme, _, basic = call.headers.get("Authorization", "").partition(" ")
        client, _, secret = (
            base64.b64decode(basic).decode().partition(":")
            if scheme.lower() == "basic"
            else ("", "", "")
        )
        if (
            form.get("grant_type") != "refresh_token"
            or form.get("refresh_token") != "sandbox-refresh"
            or not client
            or secret != client
        ):
            return Reply(
                400,
                {
                    "success": False,
                    "error": "invalid_grant",
                    "message": "Invalid grant: refresh token is invalid",
                },
            )
        token = client.replace("sandbox", self.main_token, 1)
        body = {
            "access_token": token,
            "token_type": "Bearer",
            "refresh_token": "sandbox-refresh",
            "expires_in": 3599,
        }
        return Reply(200, body | {"scope": "deals:full,contacts:full", "api_domain": call.base_url})

    def error(self, status: int, message: str, info: str = "") -> Reply:
        """Pipedrive's envelope for an error."""
        body = {
            "success": False,
            "error": message,
            "error_info": info or "Please check developers.pipedrive.com",
            "errorCode": status,
            "data": None,
            "additional_data": None,
        }
        return Reply(status, body)

    def too_many(self, wait_s: float, retry_after_s: float | None = None) -> Reply:
        """429; its body is not documented."""
        reply = self.error(429, "request over limit")
        reply.headers |= {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(wait_s) + 1)}
        if retry_after_s is not None:
            reply.headers["Retry-After"] = str(retry_after_s)
        return reply

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """Pipedrive's words for a fault."""
        if fault == "429":
            return self.too_many(1.0, args.get("retry_after_s"))
        if fault == "daily_limit":
            reply = self.error(429, "request over daily limit")
            reply.headers |= {
                "x-daily-ratelimit-token-remaining": "0",
                "x-daily-requests-left": "0",
            }
            return reply
        if fault == "expired_token":
            return self.error(401, "The access token expired")
        if fault == "locked_rows":
            return self.error(409, "The record is being changed by another call")
        if fault == "401":
            return self.error(401, "unauthorized access")
        if fault.startswith("403"):
            return self.error(403, "Scope and URL mismatch")
        if fault == "empty_success":
            return Reply(200, {"success": True, "data": None})
        if fault == "unnamed_400":
            return self.error(400, "Bad request")
        return self.error(int(fault) if fault.isdigit() else 500, "Internal server error")


def done(
    data: Any,
    *,
    status: int = 200,
    cursor: str | None = None,
    rows: int | None = None,
    paged: bool = False,
) -> Reply:
    """A success; the last page names no cursor."""
    body: dict[str, Any] = {"success": True, "data": data}
    if paged:
        body["additional_data"] = {"next_cursor": cursor} if cursor else {}
    return Reply(status, body, rows=rows)


def page(call: Call, records: list[Any]) -> tuple[list[Any], str | None]:
    """A page by cursor. Raises: Refused."""
    try:
        limit = int(call.query.get("limit", 100))
        start = (
            int(base64.urlsafe_b64decode(call.query["cursor"]).decode())
            if call.query.get("cursor")
            else 0
        )
    except ValueError as error:
        raise Refused("Parameters validation failed: limit or cursor") from error
    if not 1 <= limit <= PAGE_LIMIT:
        raise Refused(f"Parameters validation failed: limit is at most {PAGE_LIMIT}")
    more = start + limit < len(records)
    return records[start : start + limit], base64.urlsafe_b64encode(
        str(start + limit).encode()
    ).decode() if more else None


def body_of(call: Call) -> dict[str, Any]:
    """The JSON object of a write. Raises: Refused."""
    given = call.json()
    if not isinstance(given, dict):
        raise Refused("Parameters validation failed: the body is an object")
    return given


def wanted(company: Company, kind: str, number: str) -> dict[str, Any]:
    """The record a path names. Raises: Refused."""
    record = company.records[kind].get(int(number)) if number.isdigit() else None
    if record is None or record["is_deleted"]:
        raise Refused(f"{KINDS[kind].capitalize()} not found", 404)
    return record


route = Pipedrive.router.add


def listing(call: Call, company: Company, kind: str, records: list[dict[str, Any]]) -> Reply:
    """A page of records, by ids or since a change where asked. Raises: Refused."""
    if call.query.get("ids"):
        ids = call.query["ids"].split(",")
        if len(ids) > IDS_LIMIT:
            raise Refused(f"Parameters validation failed: at most {IDS_LIMIT} ids")
        records = [one for one in records if str(one["id"]) in set(ids)]
    if call.query.get("updated_since"):
        records = [one for one in records if one["update_time"] >= call.query["updated_since"]]
    shown, cursor = page(call, records)
    return done(
        [company.shown(kind, one) for one in shown], cursor=cursor, rows=len(shown), paged=True
    )


def register(kind: str) -> None:
    """The calls that persons and deals share."""

    @route("GET", f"/api/v2/{kind}")
    def list_records(api: Pipedrive, call: Call, company: Company) -> Reply:
        """A page of records, by ids or since a change where asked."""
        return listing(call, company, kind, company.live(kind))

    if kind == "deals":

        @route("GET", "/api/v2/deals/archived")
        def list_archived(api: Pipedrive, call: Call, company: Company) -> Reply:
            """A page of archived deals."""
            archived = [
                one
                for one in company.records[kind].values()
                if one["is_archived"] and not one["is_deleted"]
            ]
            return listing(call, company, kind, archived)

    @route("GET", f"/api/v2/{kind}/search")
    def search_records(api: Pipedrive, call: Call, company: Company) -> Reply:
        """Exact search."""
        found = search(call, company, kind)
        return Reply(
            200, {"success": True, "data": {"items": found}, "additional_data": {}}, rows=len(found)
        )

    @route("POST", f"/api/v2/{kind}")
    def create(api: Pipedrive, call: Call, company: Company) -> Reply:
        """Create one."""
        given = body_of(call)
        company.check(kind, given, creating=True)
        return done(company.shown(kind, company.write(kind, None, given)))

    @route("GET", f"/api/v2/{kind}/{{number}}")
    def get(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
        """Read one."""
        return done(company.shown(kind, wanted(company, kind, number)), rows=1)

    @route("PATCH", f"/api/v2/{kind}/{{number}}")
    def update(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
        """Update one; archived deals cannot be."""
        record = wanted(company, kind, number)
        if record.get("is_archived"):
            raise Refused("Archived deals cannot be edited", 400)
        given = body_of(call)
        company.check(kind, given, creating=False)
        return done(company.shown(kind, company.write(kind, record, given)))

    @route("DELETE", f"/api/v2/{kind}/{{number}}")
    def delete(api: Pipedrive, call: Call, company: Company, number: str) -> Reply:
        """Delete one, softly."""
        record = wanted(company, kind, number)
        record["is_deleted"] = True
        return done({"id": record["id"]})


def search(call: Call, company: Company, kind: str) -> list[dict[str, Any]]:
    """Exact, case-insensitive search in e-mails, names, titles or custom fields. Raises: Refused."""
    term = call.query.get("term", "")
    exact = call.query.get("exact_match") == "true"
    if len(term) < (1 if exact else 2):
        raise Refused("Parameters validation failed: term is too short")
    fields = set((call.query.get("fields") or "email,name,title,custom_fields").split(","))
    items = []
    for record in company.live(kind):
        values = []
        if "email" in fields:
            values += [one["value"] for one in record.get("emails", [])]
        if fields & {"name", "title"}:
            values.append(record.get("name") or record.get("title"))
        if "custom_fields" in fields:
            values += [
                value for value in record["custom_fields"].values() if isinstance(value, str)
            ]
        texts = [str(value).lower() for value in values if value]
        if (term.lower() in texts) if exact else any(term.lower() in text for text in texts):
            items.append({"result_score": 1.0, "item": search_item(kind, record)})
    return items[: int(call.query.get("limit", 100))]


def search_item(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record as search shows it."""
    if kind == "deals":
        return {"id": record["id"], "type": "deal", "title": record["title"]}
    return {
        "id": record["id"],
        "type": "person",
        "name": record["name"],
        "phones": [one["value"] for one in record["phones"]],
        "emails": [one["value"] for one in record["emails"]],
        "primary_email": record["emails"][0]["value"] if record["emails"] else None,
        "visible_to": 3,
        "owner": {"id": 1},
        "custom_fields": [],
        "notes": [],
        "update_time": record["update_time"],
    }


for one_kind in KINDS:
    register(one_kind)


@route("GET", "/api/v2/itemSearch/field")
def search_field(api: Pipedrive, call: Call, company: Company) -> Reply:
    """Values of one custom field; `match=exact` is case sensitive."""
    kind = {"person": "persons", "deal": "deals"}.get(call.query.get("entity_type", ""))
    field = call.query.get("field", "")
    if kind is None or field not in company.custom(kind):
        raise Refused("Parameters validation failed: entity_type or field")
    term = call.query.get("term", "")
    found = [one for one in company.live(kind) if one["custom_fields"].get(field) == term]
    items = [
        {
            "result_score": 1.0,
            "item": {"id": one["id"], "name": one.get("name") or one.get("title")},
        }
        for one in found
    ]
    return done(items, rows=len(items), paged=True)


@route("GET", "/api/v2/{fields}Fields")
def list_fields(api: Pipedrive, call: Call, company: Company, fields: str) -> Reply:
    """Fields with their keys and options."""
    shown, cursor = page(call, company.fields[field_kind(fields)])
    return done(shown, cursor=cursor, rows=len(shown), paged=True)


@route("POST", "/api/v2/{fields}Fields")
def create_field(api: Pipedrive, call: Call, company: Company, fields: str) -> Reply:
    """A new custom field."""
    return done(company.add_field(field_kind(fields), body_of(call)))


@route("POST", "/api/v2/{fields}Fields/{code}/options")
def add_options(api: Pipedrive, call: Call, company: Company, fields: str, code: str) -> Reply:
    """More options; answers only the new ones."""
    field = company.custom(field_kind(fields)).get(code)
    given = call.json()
    if field is None or field["field_type"] not in ("enum", "set") or not isinstance(given, list):
        raise Refused("Parameters validation failed: field or options")
    made = company.new_options(given)
    field["options"] = [*field["options"], *made]
    return done(made)


def field_kind(fields: str) -> str:
    """`persons` for personFields. Raises: Refused."""
    kind = FIELD_LISTS.get(f"{fields}Fields")
    if kind is None:
        raise Refused(f"{fields}Fields is not emulated", 404)
    return kind


@route("GET", "/api/v2/stages")
def list_stages(api: Pipedrive, call: Call, company: Company) -> Reply:
    """Stages, of one pipeline where asked."""
    pipeline = call.query.get("pipeline_id")
    found = [one for one in company.stages if pipeline in (None, str(one["pipeline_id"]))]
    return done(found, rows=len(found), paged=True)


@route("GET", "/api/v2/pipelines")
def list_pipelines(api: Pipedrive, call: Call, company: Company) -> Reply:
    """The pipelines."""
    now = company.now()
    shown = {
        "is_deleted": False,
        "is_deal_probability_enabled": False,
        "add_time": now,
        "update_time": now,
    }
    found = [
        {"id": number, "name": name, "order_nr": number, **shown}
        for number, name in ((1, "Pipeline"), (2, "Partners"))
    ]
    return done(found, rows=len(found), paged=True)


@route("GET", "/api/v1/users")
def list_users(api: Pipedrive, call: Call, company: Company) -> Reply:
    """Users of the company."""
    people = (
        (1, "owner", "Sam Owner", True),
        (2, "ada", "Ada Sales", True),
        (3, "gone", "Gone", False),
    )
    found = [
        {
            "id": number,
            "name": name,
            "email": f"{who}@example.com",
            "active_flag": active,
            "default_currency": "USD",
        }
        for number, who, name, active in people
    ]
    return done(found, rows=len(found))


@route("GET", "/api/v1/users/me")
def me(api: Pipedrive, call: Call, company: Company) -> Reply:
    """Whose token this is."""
    data = {
        "id": 1,
        "name": "Sam Owner",
        "email": "owner@example.com",
        "default_currency": "USD",
        "company_id": company.company_id,
        "company_name": f"Sandbox {company.name}",
        "company_domain": f"sandbox-{company.company_id}",
        "is_admin": 1,
        "active_flag": True,
        "language": {"language_code": "en", "country_code": "US"},
    }
    return done(data, rows=1)
