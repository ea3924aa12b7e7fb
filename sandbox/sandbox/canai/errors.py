"""The export API's refusals: the error a request raises, and the bodies of those with a fault."""

from __future__ import annotations

from typing import Any

from sandbox.http import Reply

UNAUTHORIZED = (401, "unauthorized", "The API key is not valid.")
FAULTS = {
    "401": UNAUTHORIZED,
    "403_permission": (403, "export_permission_missing", "The key has no export permission."),
    "403_address": (403, "address_not_allowed", "The address is not on the key's list."),
    "unnamed_400": (400, "bad_request", "The request is not valid."),
    "gone_export": (404, "not_found", "No such export."),
}
"""Status, code and message of the faults that are plain refusals."""


class RefusedError(Exception):
    """A request the API does not accept."""

    def __init__(
        self,
        message: str,
        details: dict[str, Any] | None = None,
        status: int = 400,
        code: str = "bad_request",
    ) -> None:
        super().__init__(message)
        self.message, self.details, self.status, self.code = message, details or {}, status, code


class UnknownRowError(ValueError):
    """A change that names a stream, row or field that does not exist."""


def error_reply(metadata: dict[str, Any], error: RefusedError) -> Reply:
    """The export guide's envelope for an error."""
    shown = {"code": error.code, "message": error.message, "details": error.details}
    return Reply(error.status, {"data": None, "error": shown, "metadata": metadata})


def plain_error(metadata: dict[str, Any], status: int, code: str, message: str) -> Reply:
    """An error without details."""
    return error_reply(metadata, RefusedError(message, status=status, code=code))


def fault_reply(fault: str, metadata: dict[str, Any]) -> Reply:
    """The API's words for a fault."""
    status = int(fault[:3]) if fault[:3].isdigit() else 500
    unknown = (status, "server_error", "Try again later.")
    return plain_error(metadata, *FAULTS.get(fault, unknown))


def expired_url() -> Reply:
    """The storage's response to a download URL that is not signed, or has expired."""
    return Reply(400, {"statusCode": "400", "error": "InvalidJWT", "message": "jwt expired"})


def no_object() -> Reply:
    """The storage's response to a file that does not exist."""
    return Reply(404, {"statusCode": "404", "error": "not_found", "message": "Object not found"})
