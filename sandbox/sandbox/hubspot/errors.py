"""HubSpot's refusals: the error a row or a call raises, and the bodies HubSpot answers with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sandbox.http import Reply

UNAUTHENTICATED = (
    401,
    "INVALID_AUTHENTICATION",
    "Authentication credentials not found or not valid.",
)
FAULTS = {
    "401": UNAUTHENTICATED,
    "expired_token": (
        401,
        "EXPIRED_AUTHENTICATION",
        "The OAuth token used to make this call expired.",
    ),
    "locked_rows": (423, "LOCKED", "The record is locked by another write."),
    "unnamed_400": (
        400,
        "VALIDATION_ERROR",
        "Invalid input (details will vary based on the error)",
    ),
}
"""Status, category and message of the faults that are plain refusals."""


class RefusedError(Exception):
    """A row, or a whole call, that HubSpot does not accept.

    `code` and `prop` name the error and the property where the value of a property is at fault;
    `sub_category` and `context` are what the body says besides.
    """

    def __init__(
        self,
        category: str,
        message: str,
        *,
        code: str = "",
        prop: str = "",
        status: int = 400,
        sub_category: str = "",
        context: Mapping[str, list[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.category, self.message, self.status = category, message, status
        self.code, self.prop, self.context = code, prop, dict(context or {})
        self.sub_category = sub_category


class NotEmulatedError(Exception):
    """A part of a call that the sandbox does not act on."""


def invalid(message: str, *, code: str = "", prop: str = "") -> RefusedError:
    """A VALIDATION_ERROR."""
    return RefusedError("VALIDATION_ERROR", message, code=code, prop=prop)


def invalid_json(missing: list[str]) -> RefusedError:
    """A body without fields that it needs.

    Source: a log of HubSpot's answers to empty bodies, one a call, in a public repository,
    read 2026-11-29: `POST …/merge` and `POST …/labels`.
    """
    fields = ", ".join(missing)
    return invalid(
        f"Invalid input JSON on line 1, column 2. Some required fields were not set: [{fields}]"
    )


def not_found(message: str) -> RefusedError:
    """An OBJECT_NOT_FOUND."""
    return RefusedError("OBJECT_NOT_FOUND", message, status=404)


def end_not_found(end: str, noun: str, record_id: str) -> RefusedError:
    """A link one of whose ends (`FROM` or `TO`) does not exist.

    Source: recorded answers in public repositories (teamexos/hubspot-api-go, its client tests;
    segmentio/action-destinations, upsertCompany tests), read 2026-11-29.
    """
    return RefusedError(
        "OBJECT_NOT_FOUND",
        f"No {noun} with ID {record_id} exists",
        status=404,
        sub_category=f"crm.associations.{end}_OBJECT_NOT_FOUND",
        context={"objectType": [noun], "id": [record_id]},
    )


def already_exists(message: str) -> RefusedError:
    """An OBJECT_ALREADY_EXISTS."""
    return RefusedError("OBJECT_ALREADY_EXISTS", message, status=409)


def value_taken(kind: str, prop: str, holder: str) -> RefusedError:
    """A value of a unique property that another record holds; an e-mail has an answer of its own.

    Source: HubSpot/hubspot-api-python issue 51 and stape-io/hubspot-tag issue 7 for the e-mail; a
    public program that looks for CONFLICTING_UNIQUE_VALUE in a VALIDATION_ERROR for deals. The
    words of the latter's message are not known. Read 2026-11-29.
    """
    if (kind, prop) == ("contacts", "email"):
        message = f"Contact already exists. Existing ID: {holder}"
        return RefusedError("CONFLICT", message, prop=prop, status=409)
    message = f"{prop} must be unique, and {holder} has that value"
    return invalid(not_valid(message, "CONFLICTING_UNIQUE_VALUE", prop))


def required(noun: str, missing: list[str]) -> RefusedError:
    """A create without properties that HubSpot requires.

    Source: the same log, `POST /crm/objects/v3/projects`; supaglue-labs/supaglue, its integration
    tests of custom objects, read 2026-11-29.
    """
    message = f"Error creating {noun}. Some required properties were not set."
    return RefusedError("VALIDATION_ERROR", message, context={"properties": missing})


def invalid_association(category: str, type_id: int) -> RefusedError:
    """An association of a type that the pair of objects does not have.

    Source: an answer quoted in a developer's notes in a public repository; no second one was found,
    read 2026-11-29.
    """
    name = f"{category}={type_id}"
    context = {
        "associationSpec": [name],
        "INVALID_ASSOCIATION_TYPE_ID": [f"{name} is not a valid association definition id"],
    }
    message = "One or more associations are invalid"
    return RefusedError("VALIDATION_ERROR", message, context=context)


def unknown_object(name: str) -> RefusedError:
    """A path that names no object; the body has no category.

    Source: HubSpot/hubspot-api-php issue 233; an answer of a GET quoted with its whole body in a
    developer's notes in a public repository, read 2026-11-29.
    """
    return RefusedError("", f"Unable to infer object type from: {name}")


def not_emulated(what: str) -> Reply:
    """501 for what the sandbox does not act on."""
    message = f"the sandbox does not emulate {what} of HubSpot"
    return Reply(501, {"status": "error", "message": message})


def error_reply(status: int, category: str, message: str) -> Reply:
    """HubSpot's error body."""
    body = {
        "status": "error",
        "message": message,
        "correlationId": str(uuid.uuid4()),
        "category": category,
    }
    return Reply(status, body)


def refusal_reply(error: RefusedError) -> Reply:
    """The response to a call that was refused."""
    reply = error_reply(error.status, error.category, error.message)
    if not error.category:
        del reply.body["category"]
    if error.context:
        reply.body["context"] = error.context
    if error.sub_category:
        reply.body["subCategory"] = error.sub_category
    if error.code:
        context = {"propertyName": [error.prop]}
        reply.body["message"] = not_valid(error.message, error.code, error.prop)
        reply.body["errors"] = [
            {"message": error.message, "code": error.code, "context": context},
        ]
    return reply


def not_valid(message: str, code: str, prop: str) -> str:
    """The message of a refused value, with the details in it."""
    shown = f'{{"isValid":false,"message":"{message}","error":"{code}","name":"{prop}"}}'
    return f"Property values were not valid: [{shown}]"


def row_error(error: RefusedError, context: dict[str, list[str]]) -> dict[str, Any]:
    """A failed row of a 207."""
    body = {
        "status": "error",
        "category": error.category,
        "message": error.message,
        "context": {**error.context, **context},
        "links": {},
        "errors": [],
    }
    return body | ({"subCategory": error.sub_category} if error.sub_category else {})


def link_error(error: RefusedError, *, named: bool) -> dict[str, Any]:
    """A link that was not made; the error names the record that is missing, or nothing at all.

    Source: recorded answers in public repositories, as for `end_not_found`.
    """
    body = {"status": "error", "category": error.category, "message": error.message}
    if not named:
        return body
    sub_category = {"subCategory": error.sub_category} if error.sub_category else {}
    return {**body, **sub_category, "context": error.context}


def too_many(policy: str, retry_after_s: float | None = None) -> Reply:
    """429. Retry-After only if a fault asks for it, since HubSpot does not document it here."""
    reply = error_reply(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.")
    reply.body |= {"errorType": "RATE_LIMIT", "policyName": policy}
    if retry_after_s is not None:
        reply.headers["Retry-After"] = str(retry_after_s)
    return reply


def missing_scopes() -> Reply:
    """403 for an app without the scope of the call."""
    message = "This app hasn't been granted all required scopes to make this call."
    reply = error_reply(403, "MISSING_SCOPES", message)
    scopes = {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    reply.body["errors"] = [{"message": "One or more scopes are missing.", "context": scopes}]
    return reply


def fault_reply(fault: str, args: dict[str, Any], now: str) -> Reply:
    """HubSpot's words for a fault."""
    if fault in FAULTS:
        return error_reply(*FAULTS[fault])
    if fault == "429":
        return too_many("TEN_SECONDLY_ROLLING", args.get("retry_after_s"))
    if fault == "daily_limit":
        return too_many("DAILY")
    if fault.startswith("403"):
        return missing_scopes()
    if fault == "empty_success":
        body = {"status": "COMPLETE", "results": [], "startedAt": now, "completedAt": now}
        return Reply(200, body)

    status = int(fault) if fault.isdigit() else 500
    return error_reply(status, "INTERNAL_ERROR", "internal error")
