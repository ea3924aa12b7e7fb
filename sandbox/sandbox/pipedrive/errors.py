"""Pipedrive's refusals: the error that a call raises, and the bodies Pipedrive answers with."""

from __future__ import annotations

from typing import Any

from sandbox.http import Reply

UNAUTHORIZED = (401, "unauthorized access")
FAULTS = {
    "401": UNAUTHORIZED,
    "expired_token": (401, "The access token expired"),
    "locked_rows": (409, "The record is being changed by another call"),
    "unnamed_400": (400, "Bad request"),
}
"""Status and message of the faults that are plain refusals."""


class RefusedError(Exception):
    """A call that Pipedrive does not accept."""

    def __init__(self, message: str, status: int = 400, info: str = "") -> None:
        super().__init__(message)
        self.message, self.status, self.info = message, status, info


def invalid(what: str) -> RefusedError:
    """A body or a parameter that fails the validation."""
    return RefusedError(f"Parameters validation failed: {what}")


def not_given(noun: str, name: str) -> RefusedError:
    """A body without a field that the company requires.

    Source: recorded answers in client-nodejs issues 129 and 171, read 2026-11-29.
    """
    return RefusedError(f"{noun.capitalize()} {name} must be given.")


def not_found(noun: str) -> RefusedError:
    """A record that does not exist, named by its singular."""
    return RefusedError(f"{noun.capitalize()} not found", 404)


def error_reply(status: int, message: str, info: str = "") -> Reply:
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


def too_many(wait_s: float, retry_after_s: float | None = None) -> Reply:
    """429; its body is not documented."""
    reply = error_reply(429, "request over limit")
    reply.headers |= {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(wait_s) + 1)}
    if retry_after_s is not None:
        reply.headers["Retry-After"] = str(retry_after_s)
    return reply


def day_used_up() -> Reply:
    """429 for an account that has used up its daily limit."""
    reply = error_reply(429, "request over daily limit")
    reply.headers |= {"x-daily-ratelimit-token-remaining": "0", "x-daily-requests-left": "0"}
    return reply


def fault_reply(fault: str, args: dict[str, Any]) -> Reply:
    """Pipedrive's words for a fault."""
    if fault in FAULTS:
        return error_reply(*FAULTS[fault])
    if fault == "429":
        return too_many(1.0, args.get("retry_after_s"))
    if fault == "daily_limit":
        return day_used_up()
    if fault.startswith("403"):
        return error_reply(403, "Scope and URL mismatch")
    if fault == "empty_success":
        return Reply(200, {"success": True, "data": None})
    return error_reply(int(fault) if fault.isdigit() else 500, "Internal server error")
