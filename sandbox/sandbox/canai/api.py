"""`POST /v1/export`, `GET /v1/export/{id}` and the signed downloads under `/storage`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from sandbox.canai.analytics import days
from sandbox.canai.docs import REQUEST, openapi
from sandbox.canai.fields import (
    ALIASES,
    EXPORT_TYPES,
    PERSONAL,
    PRIMARY_KEYS,
    RECORD_SETS,
    REPLICATION_KEYS,
)
from sandbox.canai.files import MEDIA_TYPES, chunks, pdf, write
from sandbox.canai.state import Source, stable_uuid
from sandbox.clock import Clock, iso, parse_iso
from sandbox.emulator import Emulator
from sandbox.http import BadJson, Call, Reply, Router

URL_LIFETIME = timedelta(hours=24)
FILE_LIFETIME = timedelta(hours=48)
REQUESTS_PER_MINUTE = 100
CHUNK_BYTES = 100_000_000
"""Files above this are cut into chunks."""
ASYNC_BYTES = 20_000_000
"""Exports above this are answered 202 first."""
PROCESSING_TIME = timedelta(seconds=2)
FILTERS = {
    "user_ids": "user_id",
    "subscription_tiers": "subscription_tier",
    "journey_stages": "current_journey_stage",
    "product_tracks": "preferred_product_track",
}
VALIDATOR = Draft202012Validator(REQUEST)


class Refused(Exception):
    """A request the API does not take."""

    def __init__(
        self,
        message: str,
        details: dict[str, Any] | None = None,
        status: int = 400,
        code: str = "bad_request",
    ):
        super().__init__(message)
        self.message, self.details, self.status, self.code = message, details or {}, status, code


@dataclass(slots=True)
class Export:
    """An export and its files."""

    export_id: str
    files: list[tuple[bytes, int]]
    """Each file and its number of records."""
    records: int
    created: datetime
    format: str
    chunked: bool = False
    ready_at: datetime | None = None
    """When an asynchronous export is done; None for one that is done at once."""
    failed: bool = False
    wrong_by: int = 0


class CanAI(Emulator):
    """The export API over the seeded source."""

    name = "canai"
    router = Router()
    main_token = "sandbox-key"
    default_pace = (REQUESTS_PER_MINUTE, 60.0)

    def __init__(
        self,
        clock: Clock,
        *,
        users: int,
        seed: int,
        origin: str,
        chunk_bytes: int = CHUNK_BYTES,
        async_bytes: int = ASYNC_BYTES,
    ) -> None:
        self.source = Source(clock, users=users, seed=seed, origin=origin)
        self.chunk_bytes, self.async_bytes = chunk_bytes, async_bytes
        super().__init__(clock)

    def reset(self) -> None:
        """Data of the seed, no exports, a new signing key."""
        super().reset()
        self.source.reset()
        self.exports: dict[str, Export] = {}
        self._signing_key = secrets.token_bytes(32)

    def new_account(self, name: str) -> str:
        """All keys read the same source."""
        return name

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """The truth at the source: rows as they are."""
        rows = list(self.rows(name)) if name in RECORD_SETS else None
        if rows is None:
            return None
        return [{"id": row[PRIMARY_KEYS[name]], "properties": row, "links": []} for row in rows]

    def inspect(self, call: Call) -> tuple[str, int]:
        """Everything here reads."""
        return "read", 0

    def handle(self, call: Call) -> Reply:
        """Check key and pace, then answer."""
        if call.path.startswith("/storage/"):
            return self.download(call)
        if call.path.rstrip("/") == "/docs/api":
            return Reply(200, openapi())
        key = self.account_name(call.bearer)
        if key is None:
            return self.error(401, "unauthorized", "The API key is not valid.")
        wait = self.pace_of(key).wait_s(time.monotonic())
        if wait:
            return self.too_many(wait)
        found = self.router.find(call.method, call.path)
        if found is None and self.router.methods(call.path):
            reply = self.error(
                405,
                "method_not_allowed",
                f"{call.path} takes {', '.join(self.router.methods(call.path))}.",
            )
            reply.headers["Allow"] = ", ".join(self.router.methods(call.path))
            return reply
        if found is None:
            return Reply(
                501,
                {
                    "error": f"the sandbox does not emulate {call.method} {call.path} of the export API"
                },
            )
        handler, params = found
        try:
            return handler(self, call, **params)
        except BadJson:
            return self.error(400, "bad_request", "The body is no JSON.")
        except Refused as refused:
            return self.error(refused.status, refused.code, refused.message, refused.details)

    def too_many(self, wait_s: float) -> Reply:
        """429 with Retry-After in whole seconds."""
        reply = self.error(
            429, "rate_limited", f"More than {REQUESTS_PER_MINUTE} requests a minute."
        )
        reply.headers["Retry-After"] = str(int(wait_s) + 1)
        return reply

    def error(
        self, status: int, code: str, message: str, details: dict[str, Any] | None = None
    ) -> Reply:
        """The guide's envelope for an error."""
        body = {
            "data": None,
            "error": {"code": code, "message": message, "details": details or {}},
            "metadata": self.meta(),
        }
        return Reply(status, body)

    def meta(self) -> dict[str, Any]:
        """`metadata` of an answer."""
        return {
            "export_created_at": iso(self.clock.now()),
            "processing_time_ms": 12,
            "request_id": f"req_{secrets.token_hex(8)}",
        }

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """The API's words for a fault."""
        if fault in ("wrong_count", "processing_failed"):
            return self.handle_with(call, fault) if call.method == "POST" else self.handle(call)
        if fault == "truncate" and call.path.startswith("/storage/"):
            reply = self.handle(call)
            if isinstance(reply.body, bytes):
                reply.body = reply.body[: len(reply.body) // 2]
            return reply
        if fault == "gone_export" and call.method == "POST":
            before = set(self.exports)
            reply = self.handle(call)
            self.exports = {key: one for key, one in self.exports.items() if key in before}
            return reply
        if fault == "gone_export":
            return self.error(404, "not_found", "No such export.")
        if fault == "429":
            return self.too_many(args.get("retry_after_s", 1) - 0.5)
        if fault == "expired_url":
            return Reply(
                400, {"statusCode": "400", "error": "InvalidJWT", "message": "jwt expired"}
            )
        known = {
            "401": (401, "unauthorized", "The API key is not valid."),
            "403_permission": (
                403,
                "export_permission_missing",
                "The key has no export permission.",
            ),
            "403_address": (403, "address_not_allowed", "The address is not on the key's list."),
            "unnamed_400": (400, "bad_request", "The request is not valid."),
            "empty_success": (200, "", ""),
        }
        status, code, message = known.get(
            fault,
            (int(fault[:3]) if fault[:3].isdigit() else 500, "server_error", "Try again later."),
        )
        return Reply(200, {}) if fault == "empty_success" else self.error(status, code, message)

    def handle_with(self, call: Call, fault: str) -> Reply:
        """An export that is made and then said to be otherwise."""
        before = set(self.exports)
        reply = self.handle(call)
        for export_id in set(self.exports) - before:
            export = self.exports[export_id]
            export.wrong_by, export.failed = (
                int(fault == "wrong_count"),
                fault == "processing_failed",
            )
            if export.failed and export.ready_at is None:
                export.ready_at = self.clock.now()
            return self.answer(call, export)
        return reply

    def rows(self, record_set: str) -> Any:
        """All rows of a record set."""
        return (
            days(self.source)
            if record_set == "analytics"
            else self.source.rows[record_set].values()
        )

    def sign(self, export_id: str, expires: int) -> str:
        """The signature of a download URL."""
        return hmac.new(
            self._signing_key, f"{export_id}/{expires}".encode(), hashlib.sha256
        ).hexdigest()[:40]

    def download(self, call: Call) -> Reply:
        """A file, where the URL is signed and fresh."""
        if call.path.startswith("/storage/plans/"):
            return self.plan(call.path.removeprefix("/storage/plans/").removesuffix(".pdf"))
        parts = call.path.removeprefix("/storage/exports/").split("/")
        export = self.exports.get(parts[0])
        number = parts[1].split(".")[0] if len(parts) > 1 else ""
        now = self.clock.now()
        known = export is not None and number.isdigit() and int(number) < len(export.files)
        if export is None or not known or export.created + FILE_LIFETIME < now:
            return Reply(
                404, {"statusCode": "404", "error": "not_found", "message": "Object not found"}
            )
        expires = call.query.get("expires", "0")
        good = expires.isdigit() and hmac.compare_digest(
            self.sign(parts[0], int(expires)), call.query.get("token", "")
        )
        if not good or int(expires) < now.timestamp():
            return Reply(
                400, {"statusCode": "400", "error": "InvalidJWT", "message": "jwt expired"}
            )
        body, records = export.files[int(number)]
        return Reply(200, body, {"Content-Type": MEDIA_TYPES[export.format]}, rows=records)

    def plan(self, deliverable_id: str) -> Reply:
        """A deliverable's PDF."""
        row = next(
            (one for one in self.rows("deliverables") if one["deliverable_id"] == deliverable_id),
            None,
        )
        if row is None:
            return Reply(
                404, {"statusCode": "404", "error": "not_found", "message": "Object not found"}
            )
        return Reply(
            200,
            pdf(f"{row['product_track']} {deliverable_id}"),
            {"Content-Type": "application/pdf"},
            rows=1,
        )

    def answer(self, call: Call, export: Export) -> Reply:
        """The guide's `ExportResponse`; 202 while the export is made."""
        metadata = self.meta() | {"export_created_at": iso(export.created)}
        if export.ready_at is not None and self.clock.now() < export.ready_at:
            return Reply(
                202,
                {
                    "data": {"export_id": export.export_id, "status": "processing"},
                    "error": None,
                    "metadata": metadata,
                },
            )
        if export.failed:
            return Reply(
                200,
                {
                    "data": {"export_id": export.export_id, "status": "failed"},
                    "error": None,
                    "metadata": metadata,
                },
            )
        expires = export.created + URL_LIFETIME
        stamp = int(expires.timestamp())
        origin = call.base_url.removesuffix("/canai")
        signed = f"expires={stamp}&token={self.sign(export.export_id, stamp)}"
        urls = [
            f"{origin}/storage/exports/{export.export_id}/{number}.{export.format}?{signed}"
            for number in range(len(export.files))
        ]
        data: dict[str, Any] = {
            "export_id": export.export_id,
            "status": "ready",
            "expires_at": iso(expires),
            "record_count": export.records + export.wrong_by,
            "file_size_bytes": sum(len(body) for body, _ in export.files),
            "format": export.format,
        }
        if export.chunked:
            data["chunks"] = [
                {"download_url": url, "file_size_bytes": len(body), "record_count": count}
                for url, (body, count) in zip(urls, export.files, strict=True)
            ]
        else:
            data["download_url"] = urls[0]
        return Reply(200, {"data": data, "error": None, "metadata": metadata})

    def forget_old(self) -> None:
        """Files are deleted after 48 hours."""
        limit = self.clock.now() - FILE_LIFETIME
        self.exports = {key: one for key, one in self.exports.items() if one.created >= limit}


def selection(export_type: str, wanted: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Per record set the pairs (name asked for, property). Raises: Refused naming unknown fields."""
    chosen: dict[str, list[tuple[str, str]]] = {}
    unknown: list[str] = []
    for name in wanted:
        pairs = resolve(export_type, name)
        if not pairs:
            unknown.append(name)
        for record_set, asked, prop in pairs:
            chosen.setdefault(record_set, []).append((asked, prop))
    if unknown:
        raise Refused(
            f"Unknown fields: {', '.join(unknown)}",
            {"unknown_fields": unknown},
            code="unknown_fields",
        )
    return chosen


def resolve(export_type: str, name: str) -> list[tuple[str, str, str]]:
    """What one entry of `data_fields` stands for; empty where it is unknown."""
    sets = EXPORT_TYPES[export_type]
    if name == "all":
        return [(one, prop, prop) for one in sets for prop in RECORD_SETS[one]]
    prefix, dot, rest = name.partition(".")
    if dot and prefix in sets:
        sets, name = (prefix,), rest
    elif len(sets) > 1:
        return []
    if name == "*":
        return [(sets[0], prop, prop) for prop in RECORD_SETS[sets[0]]]
    prop = name if name in RECORD_SETS[sets[0]] else ALIASES.get(name, "")
    return [(sets[0], name, prop)] if prop in RECORD_SETS[sets[0]] else []


def date_range(given: Any) -> tuple[datetime | None, datetime | None]:
    """`[start, end)`. Raises: Refused."""
    if given is None:
        return None, None
    try:
        start, end = parse_iso(given["start"]), parse_iso(given["end"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Refused("date_range needs start and end in ISO 8601.", code="bad_range") from error
    if end < start:
        raise Refused("date_range ends before it starts.", code="bad_range")
    return start, end


def user_filter(source: Source, given: dict[str, Any] | None) -> Callable[[dict[str, Any]], bool]:
    """Whether a row's user passes the filters. Raises: Refused."""
    unknown = set(given or {}) - set(FILTERS)
    if unknown:
        raise Refused(
            f"Unknown filters: {', '.join(sorted(unknown))}", {"unknown_filters": sorted(unknown)}
        )
    tests = [(FILTERS[name], set(values)) for name, values in (given or {}).items()]

    def passes(row: dict[str, Any]) -> bool:
        user = source.rows["users"].get(row.get("user_id", ""))
        return not tests or (
            user is not None and all(user[prop] in values for prop, values in tests)
        )

    return passes


def anonymised(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is personal; the user id is a stable pseudonym."""
    kept = {name: value for name, value in row.items() if name not in PERSONAL}
    if "user_id" in kept:
        kept["user_id"] = "anon_" + stable_uuid("anonymous", kept["user_id"])
    return kept


@CanAI.router.add("POST", "/v1/export")
def create_export(api: CanAI, call: Call) -> Reply:
    """Run an export at once."""
    given = call.json()
    wrong = best_match(VALIDATOR.iter_errors(given))
    if wrong is not None:
        place = "/".join(map(str, wrong.absolute_path)) or "the body"
        raise Refused(f"{place} is not as an ExportRequest has it.", {"at": place})
    export_type, fields, file_format = given["export_type"], given["data_fields"], given["format"]
    created = api.clock.now()
    start, end = date_range(given.get("date_range"))
    passes = user_filter(api.source, given.get("user_filters"))
    chosen = selection(export_type, fields)
    if len(chosen) > 1 and file_format != "json":
        raise Refused(
            f"{file_format} files hold one record set; {len(chosen)} are selected.",
            code="bad_format",
        )
    content: dict[str, list[dict[str, Any]]] = {}
    names: dict[str, list[str]] = {}
    for record_set, pairs in chosen.items():
        key = REPLICATION_KEYS[record_set]
        names[record_set] = [
            asked for asked, _ in pairs if not (given.get("anonymize_data") and asked in PERSONAL)
        ]
        content[record_set] = []
        for row in api.rows(record_set):
            moment = parse_iso(row[key])
            if (
                (start and moment < start)
                or (end and moment >= end)
                or moment > created
                or not passes(row)
            ):
                continue
            shown = {asked: row[prop] for asked, prop in pairs}
            content[record_set].append(anonymised(shown) if given.get("anonymize_data") else shown)
    return api.answer(call, keep(api, given, content, names, created))


def keep(
    api: CanAI,
    given: dict[str, Any],
    content: dict[str, list[dict[str, Any]]],
    names: dict[str, list[str]],
    created: datetime,
) -> Export:
    """Write the files of an export and keep it."""
    api.forget_old()
    count = sum(len(rows) for rows in content.values())
    export_id = f"exp_{secrets.token_hex(12)}"
    metadata = {"export_id": export_id, "export_created_at": iso(created), "record_count": count}
    whole = write(
        content, given["format"], names, metadata if given.get("include_metadata") else None
    )
    chunked = len(whole) > api.chunk_bytes
    files = (
        list(chunks(content, given["format"], names, api.chunk_bytes))
        if chunked
        else [(whole, count)]
    )
    export = Export(export_id, files, count, created, given["format"], chunked)
    if len(whole) > api.async_bytes:
        export.ready_at = created + PROCESSING_TIME
    api.exports[export_id] = export
    return export


@CanAI.router.add("GET", "/v1/export/{export_id}")
def get_export(api: CanAI, call: Call, export_id: str) -> Reply:
    """An export that was asked for before."""
    export = api.exports.get(export_id)
    if export is None or export.created + FILE_LIFETIME < api.clock.now():
        raise Refused("No such export.", status=404, code="not_found")
    return api.answer(call, export)
