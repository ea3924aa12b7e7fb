"""Salesforce over HTTP: SOQL, and errors told apart."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import Answer, Meaning
from reverse_etl.errors import CrmError, RowError

logger = logging.getLogger(__name__)

DEFAULT_LOGIN_URL = "https://login.salesforce.com"
DEFAULT_VERSION = "v67.0"
API_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
SHARES_TOLD = (0.8, 0.95)
RECORD_ID = re.compile(r"\b[a-zA-Z0-9]{15}(?:[A-Z0-5]{3})\b")
PASSING = {"UNABLE_TO_LOCK_ROW"}
"""Row codes after which the row may be sent again. Source: StatusCode in the metadata WSDL v63."""
NO_PARENT = "Foreign key external ID"
"""How the message of an INVALID_FIELD begins that is one row's. As orgs are known to answer; no specification lists messages."""
RUN_CODES = {
    "INVALID_FIELD": "The field is missing or hidden by field-level security: grant it to the user, or set `provision: true`.",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "Grant the user edit access to the field, or take it out of the rule.",
    "INSUFFICIENT_ACCESS": "Grant the user access to the object.",
    "STORAGE_LIMIT_EXCEEDED": "The org's storage is full: free some, then run again.",
    "API_DISABLED_FOR_ORG": "The API is not enabled for this org or user: enable it.",
    "API_CURRENTLY_DISABLED": "The API is not open to this user or address: enable it.",
    "NOT_FOUND": "Check `instance_url`, `api_version` and the object's name.",
    "INVALID_TYPE": "The object is not there or hidden from the user.",
    "INVALID_SESSION_ID": "Sign in again: check the credentials.",
}
"""Codes of causes that are every row's, and what to do."""


def quoted(value: str) -> str:
    """A SOQL string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def in_list(name: str, values: Iterable[str]) -> str:
    """`Name IN ('a', 'b')`."""
    return f"{name} IN ({', '.join(quoted(value) for value in values)})"


def errors_of(body: Any) -> list[Mapping[str, Any]]:
    """The errors of an answer: an array at the top, an object in places."""
    if isinstance(body, list):
        return [one for one in body if isinstance(one, dict)]
    return [body] if isinstance(body, dict) else []


def check(answer: Answer) -> Answer:
    """The answer, unless it says that every call will fail. Raises: CrmError."""
    if answer.ok:
        return answer
    for one in errors_of(answer.body):
        code = str(one.get("errorCode", ""))
        if code in RUN_CODES:
            fields = ", ".join(one.get("fields") or []) or field_named(str(one.get("message", "")))
            named = f": {fields}" if fields else ""
            raise CrmError(f"Salesforce refuses the call ({code}{named}).", RUN_CODES[code])
    if answer.status in (401, 403):
        raise CrmError(
            f"Salesforce refuses the call ({answer.status}).",
            "Check the credentials and the user's permissions.",
        )
    return answer


def meaning(status: int, body: Any, headers: Mapping[str, str]) -> Meaning:
    """Whether a refusal says that the 24 hours' calls are used up, or that too many long calls run at the moment."""
    for one in errors_of(body):
        if status == 403 and one.get("errorCode") == "REQUEST_LIMIT_EXCEEDED":
            return "again" if "Concurrent" in str(one.get("message")) else "spent"
    return ""


@dataclass(slots=True)
class LimitWatch:
    """Watches the org's calls of the last 24 hours, of which every answer tells: `api-usage=USED/MAX`."""

    share_told: float = 0.0

    def pace_s(self, headers: Mapping[str, str]) -> float:
        """0.0, since Salesforce asks for no pace; says once that the calls are running short, at 80 and at 95 %."""
        found = API_USAGE.search(headers.get("Sforce-Limit-Info", ""))
        share = int(found.group(1)) / max(1, int(found.group(2))) if found else 0.0
        level = max((one for one in SHARES_TOLD if share >= one), default=0.0)
        if found and level > self.share_told:
            self.share_told = level
            logger.warning(
                "Salesforce: %s of %s API calls of the org's 24 hours are used",
                found.group(1),
                found.group(2),
            )
        return 0.0


def field_named(message: str) -> str:
    """The field that a message such as `No such column 'X__c'` quotes."""
    parts = message.split("'")
    return (
        parts[1] if len(parts) > 2 and parts[1].replace("_", "").replace(".", "").isalnum() else ""
    )


def matched(error: Mapping[str, Any]) -> str:
    """The ids of the records that a duplicate rule found; empty where it names none."""
    found = (error.get("duplicateResult") or {}).get("matchResults") or []
    ids = [
        one["record"]["Id"]
        for result in found
        for one in result.get("matchRecords") or []
        if one.get("record", {}).get("Id")
    ]
    return ", ".join(ids) or " ".join(RECORD_ID.findall(str(error.get("message", ""))))


def row_fault(error: Mapping[str, Any]) -> RowError:
    """A row's fault. Raises: CrmError for a cause that is every row's."""
    code, message = (
        str(error.get("statusCode") or error.get("errorCode") or "UNKNOWN"),
        str(error.get("message", "")),
    )
    fields = ", ".join(error.get("fields") or [])
    if code == "INVALID_FIELD" and message.startswith(NO_PARENT):
        hint = "the record it is linked to no longer carries its key in Salesforce: put the key back, or sync that record with force"
        return RowError("parent_not_found", f"{code}: {message}", hint)
    if code in RUN_CODES and code != "NOT_FOUND":
        raise CrmError(
            f"Salesforce refuses every row ({code}{': ' + (fields or field_named(message)) if fields or field_named(message) else ''}).",
            RUN_CODES[code],
        )
    if code in ("DUPLICATE_VALUE", "DUPLICATES_DETECTED", "DUPLICATE_EXTERNAL_ID"):
        told = matched(error)
        which = f"another record of Salesforce{f', {told},' if told else ''} is the same"
        more = "; or set allow_duplicates_save" if code == "DUPLICATES_DETECTED" else ""
        return RowError(
            "identity_conflict",
            f"{code}: {message}",
            f"{which}: merge the two, or change one of them{more}",
        )
    hint = (
        f"mend {fields} at the source or in the rule"
        if fields
        else "mend the record at the source or in the rule"
    )
    return RowError(code, message, hint)
