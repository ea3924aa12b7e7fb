"""Salesforce's refusals: the errors of rows and calls, and the bodies Salesforce answers with.

RowError           a row is refused; a collection answers it beside the others
    DuplicateError     the org's duplicate rule warns of it
CallError          the whole call is refused
"""

from __future__ import annotations

from typing import Any

from sandbox.http import Call, Reply
from sandbox.salesforce import soap

INVALID_SESSION = (401, "INVALID_SESSION_ID", "Session expired or invalid")
DAILY_LIMIT = (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
FAULTS = {
    "401": INVALID_SESSION,
    "expired_token": INVALID_SESSION,
    "daily_limit": DAILY_LIMIT,
    "403_permission": (
        403,
        "API_DISABLED_FOR_ORG",
        "The REST API is not enabled for this Organization.",
    ),
    "403_address": (403, "API_CURRENTLY_DISABLED", "API is currently disabled for this address"),
    "429": (429, "REQUEST_LIMIT_EXCEEDED", "Too many requests"),
    "unnamed_400": (400, "JSON_PARSER_ERROR", "The request could not be read"),
    "503": (503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable"),
}
"""Status, code and message of the faults that are plain refusals."""


class RowError(Exception):
    """A row Salesforce does not accept; `code` is a StatusCode of the metadata WSDL."""

    def __init__(
        self, code: str, message: str, fields: list[str] | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.fields, self.status = code, message, fields or [], status


class DuplicateError(RowError):
    """A row that a duplicate rule of the org warns of."""

    def __init__(self, record_id: str) -> None:
        super().__init__("DUPLICATES_DETECTED", "Use one of these records?")
        self.record_id = record_id


class CallError(Exception):
    """An error of the whole call: an array of {errorCode, message}."""

    def __init__(
        self, status: int, code: str, message: str, fields: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields or []


def missing(names: list[str]) -> RowError:
    """The error for required fields without a value."""
    message = f"Required fields are missing: [{', '.join(names)}]"
    return RowError("REQUIRED_FIELD_MISSING", message, names)


def refusal_of_all(args: dict[str, Any]) -> RowError:
    """Why every row is refused: a field that is required now, or with `rule` a validation rule.

    The message of a validation rule is the administrator's, who may name a field.
    Source: Salesforce Help, Define Validation Rules, read 2026-11-29; the code is in the StatusCode
    of the metadata WSDL v63.
    """
    field = str(args.get("field", ""))
    if "rule" in args:
        fields = [field] if field else []
        return RowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", str(args["rule"]), fields)
    return missing([field or "Cost_Center__c"])


def not_found() -> CallError:
    """A resource that does not exist, or that the user may not see."""
    return CallError(404, "NOT_FOUND", "The requested resource does not exist")


def no_external_id(name: str) -> CallError:
    """A path whose row or field does not exist."""
    message = f"Provided external ID field does not exist or is not accessible: {name}"
    return CallError(404, "NOT_FOUND", message)


def not_an_external_id(name: str, sobject: str) -> str:
    """The message for a field that does not identify rows."""
    return f"Field name provided, {name} is not an External ID or indexed field for {sobject}"


def call_error_reply(error: CallError) -> Reply:
    """The response to a call that was refused."""
    item: dict[str, Any] = {"message": error.message, "errorCode": error.code}
    if error.fields:
        item["fields"] = error.fields
    return Reply(error.status, [item])


def invalid_session(call: Call) -> Reply:
    """The response to a token that has ended; each of Salesforce's APIs has words of its own.

    Source: metaforce issue 16 (a fault of the Metadata API) and Salesforce Mobile SDK for iOS
    issue 3398 (a 403 of userinfo), read 2026-11-30.
    """
    if call.path.startswith("/services/Soap/"):
        code = "INVALID_SESSION_ID"
        message = f"{code}: Invalid Session ID found in SessionHeader: Illegal Session"
        return soap.fault(f"sf:{code}", message)
    if call.path.startswith("/services/oauth2/userinfo"):
        return Reply(403, b"Bad_OAuth_Token", {"Content-Type": "text/html; charset=UTF-8"})
    return call_error_reply(CallError(*INVALID_SESSION))


def not_emulated(call_name: str) -> Reply:
    """501 for a call that is not emulated."""
    message = f"the sandbox does not emulate {call_name} of Salesforce"
    return Reply(501, [{"errorCode": "NOT_EMULATED", "message": message}])


def invalid_client() -> Reply:
    """The response to a sign-in that fails."""
    message = "invalid client credentials"
    return Reply(401, {"error": "invalid_client", "error_description": message})


def row_error(error: RowError | CallError) -> dict[str, Any]:
    """A failed row of a collection."""
    item: dict[str, Any] = {
        "statusCode": error.code,
        "message": error.message,
        "fields": error.fields,
    }
    if isinstance(error, DuplicateError):
        item["duplicateResult"] = duplicate_result(error.record_id)
    return {"success": False, "errors": [item]}


def duplicate_result(record_id: str) -> dict[str, Any]:
    """The existing contact that a new one resembles."""
    record = {"attributes": {"type": "Contact"}, "Id": record_id}
    match = {
        "entityType": "Contact",
        "matchRecords": [{"matchConfidence": 100.0, "record": record}],
    }
    return {"allowSave": True, "matchResults": [match]}


def fault_reply(fault: str, args: dict[str, Any]) -> Reply:
    """Salesforce's words for a fault."""
    if fault == "empty_success":
        return Reply(200, [])

    status = int(fault) if fault.isdigit() else 500
    unknown = (status, "UNKNOWN_EXCEPTION", "An unexpected error occurred")
    reply = call_error_reply(CallError(*FAULTS.get(fault, unknown)))
    if fault == "429" and "retry_after_s" in args:
        reply.headers["Retry-After"] = str(args["retry_after_s"])
    return reply
