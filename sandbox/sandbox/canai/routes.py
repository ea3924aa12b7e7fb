"""The export API's paths and their handlers; before a handler is called: key and limit."""

from __future__ import annotations

import time
from typing import Any

from sandbox.canai import downloads, errors, exports, responses
from sandbox.canai.errors import RefusedError
from sandbox.canai.fields import RECORD_SETS
from sandbox.canai.fixtures import REQUESTS_PER_MINUTE
from sandbox.canai.openapi import openapi
from sandbox.canai.state import Platform, PlatformSettings
from sandbox.clock import Clock
from sandbox.emulator import Emulator
from sandbox.http import BadJsonError, Call, Reply, Route, Router

ROUTES = (
    Route("POST", "/v1/export", exports.create_export),
    Route("GET", "/v1/export/{export_id}", exports.get_export),
)
STORAGE, DOCS = "/storage/", "/docs/api"


class CanAI(Emulator):
    """The export API over the seeded platform."""

    name = "canai"
    router = Router(ROUTES)
    main_token = "sandbox-key"
    default_pace = (REQUESTS_PER_MINUTE, 60.0)

    def __init__(self, clock: Clock, settings: PlatformSettings) -> None:
        self.platform = Platform(clock, settings)
        super().__init__(clock)

    def reset(self) -> None:
        """Return to the data of the seed; forget exports and the signing key."""
        super().reset()
        self.platform.reset()

    def new_account(self, name: str) -> Platform:
        """All keys read the same platform."""
        return self.platform

    def objects(self, name: str, account: str | None) -> list[dict[str, Any]] | None:
        """The truth at the source: rows as they are."""
        if name not in RECORD_SETS:
            return None
        return responses.control_rows(name, self.platform.rows(name))

    def inspect(self, call: Call) -> tuple[str, int]:
        """Everything here reads."""
        return "read", 0

    def handle(self, call: Call) -> Reply:
        """Check key and pace, then answer."""
        if call.path.startswith(STORAGE):
            return downloads.download(call, self.platform)
        if call.path.rstrip("/") == DOCS:
            return Reply(200, openapi())

        key = self.account_name(call.bearer)
        if key is None:
            return self._error(*errors.UNAUTHORIZED)
        wait_s = self.pace_of(key).wait_s(time.monotonic())
        if wait_s:
            return self._too_many(wait_s)
        return self._answer(call)

    def _answer(self, call: Call) -> Reply:
        match = self.router.find(call.method, call.path)
        if match is None:
            return self._no_route(call)

        handler, params = match
        try:
            return handler(call, self.platform, **params)
        except BadJsonError:
            return self._error(400, "bad_request", "The body is not valid JSON.")
        except RefusedError as refused:
            return errors.error_reply(responses.metadata(self.platform), refused)

    def _no_route(self, call: Call) -> Reply:
        """405 for another method of a known path, otherwise 501."""
        methods = ", ".join(self.router.methods(call.path))
        if not methods:
            message = f"the sandbox does not emulate {call.method} {call.path} of the export API"
            return Reply(501, {"error": message})

        reply = self._error(405, "method_not_allowed", f"{call.path} takes {methods}.")
        reply.headers["Allow"] = methods
        return reply

    def _error(self, status: int, code: str, message: str) -> Reply:
        return errors.plain_error(responses.metadata(self.platform), status, code, message)

    def _too_many(self, wait_s: float) -> Reply:
        """429 with Retry-After in whole seconds."""
        message = f"More than {REQUESTS_PER_MINUTE} requests a minute."
        reply = self._error(429, "rate_limited", message)
        reply.headers["Retry-After"] = str(int(wait_s) + 1)
        return reply

    def fault_reply(self, fault: str, call: Call, args: dict[str, Any]) -> Reply:
        """The API's words for a fault, or an export or a file that the fault has spoilt."""
        posted = call.method == "POST"
        match fault:
            case "wrong_count" | "processing_failed":
                return self._spoil_export(call, fault) if posted else self.handle(call)
            case "truncate" if call.path.startswith(STORAGE):
                return self._truncate(call)
            case "gone_export" if posted:
                return self._lose_export(call)
            case "429":
                return self._too_many(args.get("retry_after_s", 1) - 0.5)
            case "expired_url":
                return errors.expired_url()
            case "empty_success":
                return Reply(200, {})
        return errors.fault_reply(fault, responses.metadata(self.platform))

    def _spoil_export(self, call: Call, fault: str) -> Reply:
        """Run an export that fails, or says that it holds a record too many."""
        before = set(self.platform.exports)
        reply = self.handle(call)
        for export_id in set(self.platform.exports) - before:
            export = self.platform.exports[export_id]
            export.wrong_by = int(fault == "wrong_count")
            export.failed = fault == "processing_failed"
            if export.failed and export.ready_at is None:
                export.ready_at = self.clock.now()
            return responses.export_reply(self.platform, call, export)
        return reply

    def _truncate(self, call: Call) -> Reply:
        """Half of a file."""
        reply = self.handle(call)
        if isinstance(reply.body, bytes):
            reply.body = reply.body[: len(reply.body) // 2]
        return reply

    def _lose_export(self, call: Call) -> Reply:
        """Run an export that nobody can poll or download."""
        before = set(self.platform.exports)
        reply = self.handle(call)
        self.platform.exports = {
            export_id: export
            for export_id, export in self.platform.exports.items()
            if export_id in before
        }
        return reply
