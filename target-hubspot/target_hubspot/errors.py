"""What HubSpot's refusals mean: an error of one row, or an error that would fail every row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reverse_etl.crm.http import Answer
from reverse_etl.errors import BatchRejectedError, CrmError, GoneError, RowError, TakenError

RUN_CODES = {
    "PROPERTY_DOESNT_EXIST": "Create the property, or set `provision: true`.",
    "READ_ONLY_VALUE": "Remove the property from the rule.",
}
"""Codes of errors that would fail every row, with what to do."""

PASSING_CODES = frozenset({"VALIDATION_ERROR"})
"""Codes of refused rows whose cause an administrator can remove without changing a property: rules
on values and required properties. Details of a bad value have codes of their own."""


TAKEN = "CONFLICTING_UNIQUE_VALUE"
"""The code of a VALIDATION_ERROR if another record holds the value of a unique property.
Source: a public program that creates deals looks for it in HubSpot's answers, read 2026-11-29."""
TAKEN_PROPERTY = re.compile(rf'"error":"{TAKEN}","name":"(\w+)"')
"""Where the message of that error names the property."""


def body_of(answer: Answer) -> Mapping[str, Any]:
    """An answer's JSON object; empty if it is not an object."""
    return answer.body if isinstance(answer.body, dict) else {}


def check(answer: Answer) -> Answer:
    """The answer, unless it means that every call will fail. Raises: CrmError."""
    body = body_of(answer)
    if answer.status == 401:
        raise CrmError(
            "HubSpot does not accept the access token (401).",
            "Set `access_token` to a valid service key or private-app token.",
        )
    if answer.status == 403:
        scopes = ", ".join(context_values(body, "requiredGranularScopes"))
        raise CrmError(
            f"HubSpot refused permission (403{f': {scopes}' if scopes else ''}).",
            "Grant the token these scopes, then run again.",
        )
    if answer.status in (404, 405, 501) and not body.get("category"):
        raise CrmError(
            f"HubSpot does not know this call ({answer.status}).",
            "Check `api_url` and `api_version`.",
        )
    return answer


def context_values(body: Mapping[str, Any], name: str) -> Iterator[str]:
    """What the contexts of an error's details list under a name."""
    for detail in body.get("errors") or []:
        yield from (detail.get("context") or {}).get(name, [])


def error_code(body: Mapping[str, Any]) -> str:
    """The most specific code of an error: that of a detail, else its category."""
    for detail in body.get("errors") or []:
        if detail.get("code"):
            return str(detail["code"])

    message = str(body.get("message", ""))
    for code in RUN_CODES:
        if code in message:
            return code
    return str(body.get("category", ""))


def row_fault(body: Mapping[str, Any]) -> RowError:
    """The error of one row. Raises: CrmError if it would fail every row."""
    code, message = error_code(body), str(body.get("message", ""))
    properties = list(context_values(body, "propertyName"))
    properties += (body.get("context") or {}).get("properties", [])

    if code in RUN_CODES:
        named = f": {', '.join(properties)}" if properties else ""
        raise CrmError(f"HubSpot refused a property ({code}{named}).", RUN_CODES[code])

    if body.get("category") == "OBJECT_NOT_FOUND":
        return GoneError(message)
    named_as_taken = TAKEN_PROPERTY.findall(message)
    if body.get("category") == "CONFLICT" or "already exists" in message:
        return taken_fault(message, ["email"] if "Contact already exists" in message else [])
    if code == TAKEN or named_as_taken:
        return taken_fault(message, properties or named_as_taken)

    name = properties[0] if properties else "the property that the message names"
    hint = f"fix the value of {name} at the source or in the rule"
    return RowError(code or "rejected", message, hint, properties)


def taken_fault(message: str, properties: Sequence[str]) -> TakenError:
    """The error of a row that has the value of another record in a unique property."""
    what = " or ".join(properties or ("email", "key"))
    hint = f"another HubSpot record has its {what}: merge the two, or change one of them"
    return TakenError(message, hint, properties)


def rejected(answer: Answer) -> BatchRejectedError:
    """The refusal of a whole call, which the core halves down to the row that caused it.

    Raises: CrmError if it would fail every row.
    """
    return BatchRejectedError(row_fault(body_of(answer)))
