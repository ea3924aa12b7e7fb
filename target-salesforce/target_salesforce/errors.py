"""What Salesforce's refusals mean: an error of one row, or an error that would fail every row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reverse_etl.crm.adapter import RowResult
from reverse_etl.crm.http import Answer
from reverse_etl.errors import BatchRejectedError, CrmError, GoneError, RowError, TakenError

RECORD_ID = re.compile(r"\b[a-zA-Z0-9]{15}(?:[A-Z0-5]{3})\b")
PASSING = {"UNABLE_TO_LOCK_ROW"}
"""Row codes after which the row may be sent again: another transaction held a lock on the record
or its parent. Source: StatusCode in the metadata WSDL v63."""
PASSING_CODES = frozenset(
    {
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "ENTITY_IS_LOCKED",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "FIELD_FILTER_VALIDATION_EXCEPTION",
        "REQUIRED_FIELD_MISSING",
        "UNABLE_TO_LOCK_ROW",
    }
)
"""Codes of refused rows whose cause passes, or an administrator can remove: triggers, approvals,
validation rules, lookup filters, page requirements, locks.
Source: StatusCode in the metadata WSDL v63."""
DUPLICATE_CODES = ("DUPLICATE_VALUE", "DUPLICATES_DETECTED", "DUPLICATE_EXTERNAL_ID")
TAKEN = re.compile(r"duplicate value found: (?P<field>\w+) duplicates value on record")
"""The message of a DUPLICATE_VALUE if another record holds the value of a unique field.
Source: answers of orgs in public repositories, read 2026-11-29."""
NO_SUCH_COLUMN = ("No such column", "is not an External ID")
"""What the message of an INVALID_FIELD holds if it concerns every row. With other messages it is
about a value: a bulk row answers `Failed to deserialize field at col 0. Due to, '2018-09-28' is not
a valid value for the type xsd:dateTime`. Source: simple-salesforce issue 372 and Snowfakery issue
793, read 2026-11-29."""
DELETED, NO_SUCH_ID = "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"
"""Codes of an update of a record that is in the recycle bin, or no longer in the org; the latter
names a field if a lookup is at fault. Source: StatusCode in the metadata WSDL v63."""
MISSING_PARENT = "Foreign key external ID"
"""How the message of an INVALID_FIELD begins if the record that the row links to is missing.
Observed in answers of orgs; no specification lists messages."""
RUN_CODES = {
    "INVALID_FIELD": "The field is missing or hidden by field-level security: "
    "grant the user access to it, or set `provision: true`.",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "Grant the user edit access to the field, "
    "or remove it from the rule.",
    "INSUFFICIENT_ACCESS": "Grant the user access to the object.",
    "STORAGE_LIMIT_EXCEEDED": "The org is out of storage: free some, then run again.",
    "API_DISABLED_FOR_ORG": "The API is not enabled for this org or user: enable it.",
    "API_CURRENTLY_DISABLED": "The API is not open to this user or IP address: enable it.",
    "NOT_FOUND": "Check `instance_url`, `api_version` and the object's name.",
    "INVALID_TYPE": "The object does not exist or is hidden from the user.",
    "INVALID_SESSION_ID": "Check the credentials, then run again.",
}
"""Codes of errors that would fail every row, with what to do."""
ENDED_SESSION = frozenset({"INVALID_SESSION_ID", "InvalidSessionId"})
"""The code for a session that has ended, as REST and SOAP spell it and as the Bulk API does."""
ENDED_SESSION_XML = re.compile(
    r"<faultcode>(?:\w+:)?INVALID_SESSION_ID<|<exceptionCode>InvalidSessionId<"
)
"""A fault of a SOAP API, status 500, and a refusal of the Bulk API, status 400.
Source: metaforce issue 16, Apache Camel pull request 826, read 2026-11-30."""
BAD_TOKEN = "Bad_OAuth_Token"  # noqa: S105  # a body  # nosec B105
"""The whole body with which userinfo refuses a token that has ended; the status is 403.
Source: Salesforce Mobile SDK for iOS issue 3398, jsforce pull request 736, read 2026-11-30."""


def errors_of(body: Any) -> list[Mapping[str, Any]]:
    """The errors in a response: usually an array, for some calls a single object."""
    if isinstance(body, list):
        return [item for item in body if isinstance(item, dict)]
    return [body] if isinstance(body, dict) else []


def session_ended(body: Any) -> bool:
    """Returns True if a refusal, JSON or text, says that the session has ended."""
    if isinstance(body, str):
        return body.strip() == BAD_TOKEN or ENDED_SESSION_XML.search(body) is not None
    names = ("errorCode", "exceptionCode")
    codes = {str(error.get(name)) for error in errors_of(body) for name in names}
    return not ENDED_SESSION.isdisjoint(codes)


def check(answer: Answer) -> Answer:
    """The answer, unless it means that every call will fail. Raises: CrmError."""
    if answer.ok:
        return answer

    for error in errors_of(answer.body):
        code = str(error.get("errorCode", ""))
        if fails_every_row(code, str(error.get("message", ""))):
            raise refusal("the call", code, error)

    if answer.status in (401, 403):
        raise CrmError(
            f"Salesforce refused the call ({answer.status}).",
            "Check the credentials and the user's permissions.",
        )
    return answer


def fails_every_row(code: str, message: str) -> bool:
    """Returns True if an error would be the same for every row."""
    if code == "INVALID_FIELD":
        return any(words in message for words in NO_SUCH_COLUMN)
    return code in RUN_CODES


def unexpected(answer: Answer, call: str, hint: str) -> CrmError:
    """The error for a call that did not give what it should."""
    return CrmError(f"Salesforce returned {answer.status} for {call}.", hint)


def json_object(answer: Answer, call: str, hint: str) -> Mapping[str, Any]:
    """The JSON object that a successful call returned. Raises: CrmError."""
    if not answer.ok or not isinstance(answer.body, dict):
        raise unexpected(answer, call, hint)
    return answer.body


def refusal(what: str, code: str, error: Mapping[str, Any]) -> CrmError:
    """The error that ends the run, with the fields it names."""
    fields = ", ".join(error.get("fields") or []) or quoted_field(str(error.get("message", "")))
    named = f": {fields}" if fields else ""
    return CrmError(f"Salesforce refused {what} ({code}{named}).", RUN_CODES[code])


def quoted_field(message: str) -> str:
    """The field quoted in a message such as `No such column 'X__c'`; empty if there is none."""
    parts = message.split("'")
    if len(parts) < 3:
        return ""
    return parts[1] if parts[1].replace("_", "").replace(".", "").isalnum() else ""


def row_fault(error: Mapping[str, Any]) -> RowError:
    """The error of one row. Raises: CrmError if it would fail every row."""
    code = str(error.get("statusCode") or error.get("errorCode") or "UNKNOWN")
    message = str(error.get("message", ""))

    if code == "INVALID_FIELD" and message.startswith(MISSING_PARENT):
        hint = (
            "the record it links to no longer carries its key in Salesforce: "
            "put the key back, or sync that record with `force`"
        )
        return RowError("parent_not_found", f"{code}: {message}", hint)

    if code == DELETED or (code == NO_SUCH_ID and not error.get("fields")):
        return GoneError(f"{code}: {message}")
    if fails_every_row(code, message) and code != "NOT_FOUND":
        raise refusal("every row", code, error)
    if code in DUPLICATE_CODES:
        return duplicate_fault(code, message, error)

    fields = [str(name) for name in error.get("fields") or []]
    what = ", ".join(fields) or "the record"
    return RowError(code, message, f"fix {what} at the source or in the rule", fields)


def duplicate_fault(code: str, message: str, error: Mapping[str, Any]) -> RowError:
    """The error of a row that Salesforce considers a duplicate of another record."""
    ids = duplicate_ids(error)
    which = f"another Salesforce record ({ids}) matches it" if ids else "another record matches it"
    hint = f"{which}: merge the two, or change one of them"
    if code == "DUPLICATES_DETECTED":
        hint += "; or set allow_duplicates_save"
    taken = TAKEN.match(message) if code == "DUPLICATE_VALUE" else None
    if taken is not None:
        return TakenError(f"{code}: {message}", hint, [taken["field"]])
    return RowError("identity_conflict", f"{code}: {message}", hint)


def duplicate_ids(error: Mapping[str, Any]) -> str:
    """Ids of the records that a duplicate rule found; empty if the error names none."""
    ids = []
    for result in (error.get("duplicateResult") or {}).get("matchResults") or []:
        for match in result.get("matchRecords") or []:
            if match.get("record", {}).get("Id"):
                ids.append(match["record"]["Id"])

    return ", ".join(ids) or " ".join(RECORD_ID.findall(str(error.get("message", ""))))


def row_result(item: Mapping[str, Any]) -> RowResult:
    """The verdict on one row of a collection. Raises: CrmError if it would fail every row."""
    if item.get("success"):
        return RowResult(str(item["id"]))

    error = (item.get("errors") or [{}])[0]
    return RowResult(fault=row_fault(error), again=error.get("statusCode") in PASSING)


def rejected(answer: Answer) -> BatchRejectedError:
    """The refusal of a whole call, which the core halves down to the row that caused it.

    Raises: CrmError if it would fail every row.
    """
    errors = errors_of(answer.body)
    if errors:
        return BatchRejectedError(row_fault(errors[0]))
    message = f"Salesforce returned {answer.status}"
    return BatchRejectedError(RowError("rejected", message, "check the record, then sync again"))
