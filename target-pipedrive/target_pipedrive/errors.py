"""What Pipedrive's refusals mean: an error of one row, or an error that would fail every row."""

from __future__ import annotations

from typing import Any

from reverse_etl.crm.http import Answer
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    CrmError,
    GoneError,
    RowError,
)

GONE = (404, 410)
"""Statuses of a call on a record that was deleted or merged.
Source: Pipedrive, HTTP status codes, read 2026-11-29."""

PASSING_CODES = frozenset({"archived", "rejected_400"})
"""Codes of refused rows whose cause people can remove in Pipedrive: a deal is restored, a field is
no longer required. Pipedrive has no codes of its own, so that a bad value is among them."""


def check(answer: Answer) -> Answer:
    """The answer, unless it means that every call will fail. Raises: CrmError."""
    if answer.status == 401:
        raise CrmError(
            "Pipedrive does not accept the API token (401).", "Set `api_token` to a valid token."
        )
    if answer.status in (402, 403) and answer.body is None:
        raise CrmError(
            "Pipedrive's edge servers block these calls (403 without JSON).",
            "Too many calls were refused for going too fast: wait some minutes, then run again.",
        )
    if answer.status in (402, 403):
        raise CrmError(
            f"Pipedrive refused permission ({answer.status}).",
            "Check the token's permissions, and the limits of your plan.",
        )
    if answer.status in (404, 405, 501) and not isinstance(answer.body, dict):
        raise CrmError(f"Pipedrive does not know this call ({answer.status}).", "Check `api_url`.")
    return answer


def message_of(body: Any) -> str:
    """The message of an error; empty if there is none."""
    if not isinstance(body, dict):
        return ""
    parts = (body.get("error"), body.get("error_info"))
    return " ".join(part for part in parts if isinstance(part, str))


def row_fault(answer: Answer) -> RowError:
    """The error of one row. Raises: CrmError if it would fail every row."""
    message = message_of(answer.body)
    if "does not exist" in message and "field" in message:
        raise CrmError(
            "Pipedrive does not know a field of the mapping.",
            "It was deleted during the run: run again, with `provision: true` to create it.",
        )
    if "archived" in message.casefold():
        hint = "restore the deal from the archive in Pipedrive, or leave it: it cannot be edited"
        return RowError("archived", message, hint)

    if answer.status in GONE:
        return GoneError(message or f"Pipedrive returned {answer.status}")
    code = f"rejected_{answer.status}"
    hint = "fix the field that the message names at the source or in the rule"
    return RowError(code, message or f"Pipedrive returned {answer.status}", hint)


def rejected(answer: Answer) -> BatchRejectedError:
    """The refusal of a call, which is about its only row. Raises: CrmError if about every row."""
    return BatchRejectedError(row_fault(answer))


def record_id(answer: Answer) -> str | None:
    """The id of the record that a successful call returned; None if it returned none."""
    data = answer.body.get("data") if isinstance(answer.body, dict) else None
    return str(data["id"]) if isinstance(data, dict) and "id" in data else None


def created_id(answer: Answer, what: str) -> str:
    """The id of what a call created. Raises: AmbiguousAnswerError, BatchRejectedError, CrmError."""
    if not answer.ok:
        raise rejected(answer)
    crm_id = record_id(answer)
    if crm_id is None:
        raise AmbiguousAnswerError(f"Pipedrive's answer is a success without a {what}")
    return crm_id
