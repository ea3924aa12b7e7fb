"""HubSpot over HTTP: paths of both API generations, pace, and errors told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.http import Answer, Meaning
from reverse_etl.errors import CrmError, RowError

DEFAULT_URL = "https://api.hubapi.com"
DEFAULT_VERSION = "2026-09"
NOT_CARRIED_OUT = (423, 477)
"""Locked by a bulk write, and in migration. Source: HubSpot, Error handling, read 2026-11-23."""
RESERVE = 4
"""Calls of a burst that are left unused, for those in flight."""
RUN_CODES = {
    "PROPERTY_DOESNT_EXIST": "create the property or set `provision: true`",
    "READ_ONLY_VALUE": "take the property out of the rule",
}


class Paths:
    """Paths of an API version: date-based ones, or `v3` (with v4 associations)."""

    def __init__(self, version: str) -> None:
        self.dated = version != "v3"
        self.version = version

    def objects(self, name: str, call: str) -> str:
        """A call on an object, as `batch/upsert`."""
        return (
            f"/crm/objects/{self.version}/{name}/{call}"
            if self.dated
            else f"/crm/v3/objects/{name}/{call}"
        )

    def properties(self, name: str, call: str = "") -> str:
        """A call on an object's properties."""
        base = (
            f"/crm/properties/{self.version}/{name}" if self.dated else f"/crm/v3/properties/{name}"
        )
        return f"{base}/{call}" if call else base

    def associations(self, name: str, to: str, call: str = "batch/create") -> str:
        """Batched creation, or reading, of associations."""
        base = f"/crm/associations/{self.version}" if self.dated else "/crm/v4/associations"
        return f"{base}/{name}/{to}/{call}"

    def owners(self) -> str:
        """Owners."""
        return f"/crm/owners/{self.version}" if self.dated else "/crm/v3/owners"

    def pipelines(self, name: str) -> str:
        """Pipelines of an object, with their stages."""
        return (
            f"/crm/pipelines/{self.version}/{name}" if self.dated else f"/crm/v3/pipelines/{name}"
        )

    def token(self) -> str:
        """The token endpoint."""
        return f"/oauth/{self.version}/token" if self.dated else "/oauth/v1/token"

    def files(self) -> str:
        """Files: the 2026-09 specification lists no upload, 2026-03 does."""
        return "/files/2026-03/files" if self.dated else "/files/v3/files"


SCHEMAS = "/crm-object-schemas/v3/schemas"
"""Custom objects; a date-based path is not documented. Source: HubSpot's crm-schemas specification, read 2026-11-23."""


def meaning(status: int, body: Any, headers: Mapping[str, str]) -> Meaning:
    """Whether a 429 says that the day's calls are used up, and what says that the call was not carried out."""
    if status in NOT_CARRIED_OUT:
        return "again"
    if status != 429 or not isinstance(body, dict):
        return ""
    daily = (
        str(body.get("policyName", "")).upper() == "DAILY"
        or "daily limit" in str(body.get("message", "")).lower()
    )
    return "spent" if daily or headers.get("X-HubSpot-RateLimit-Daily-Remaining") == "0" else ""


@dataclass(slots=True)
class Pace:
    """The burst: so many calls in a rolling window, of which every answer tells."""

    interval_s: float = 10.0
    """Source: HubSpot, Usage guidelines, read 2026-11-23: ten seconds, and no Retry-After."""

    def pace_s(self, headers: Mapping[str, str]) -> float:
        """Seconds to wait when the burst is nearly used up."""
        try:
            self.interval_s = max(
                0.1, int(headers["X-HubSpot-RateLimit-Interval-Milliseconds"]) / 1000
            )
            left = int(headers["X-HubSpot-RateLimit-Remaining"])
        except (KeyError, ValueError):
            return 0.0
        return self.interval_s / 10 if left < RESERVE else 0.0

    def window_s(self) -> float:
        """Seconds until a window that is used up has passed."""
        return self.interval_s


def error_code(body: Any) -> str:
    """The most telling code of an error: a row's own, else the category."""
    errors = body.get("errors") or [] if isinstance(body, dict) else []
    for one in errors:
        if one.get("code"):
            return str(one["code"])
    message = str(body.get("message", "")) if isinstance(body, dict) else ""
    return next(
        (code for code in RUN_CODES if code in message),
        str(body.get("category", "")) if isinstance(body, dict) else "",
    )


def row_fault(body: Mapping[str, Any]) -> RowError:
    """A row's fault from an error's body. Raises: CrmError for a cause that is every row's."""
    code, message = error_code(body), str(body.get("message", ""))
    if code in RUN_CODES:
        names = [
            name
            for one in body.get("errors") or []
            for name in (one.get("context") or {}).get("propertyName", [])
        ]
        raise CrmError(
            f"HubSpot refuses a property ({code}{': ' + ', '.join(names) if names else ''}).",
            f"To do: {RUN_CODES[code]}.",
        )
    if body.get("category") == "CONFLICT" or "already exists" in message:
        return RowError(
            "identity_conflict",
            message,
            "another record of HubSpot holds its email or key: merge the two, or change one of them",
        )
    names = [
        name
        for one in body.get("errors") or []
        for name in (one.get("context") or {}).get("propertyName", [])
    ]
    field = f" {names[0]}" if names else ""
    return RowError(
        code or "rejected",
        message,
        f"mend the value of{field or ' the field that the message names'} at the source or in the rule",
    )


def check(answer: Answer) -> Answer:
    """The answer, unless it says that every call will fail. Raises: CrmError."""
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status == 401:
        raise CrmError(
            "HubSpot does not accept the access token (401).",
            "Set `access_token` to a valid service key or private-app token.",
        )
    if answer.status == 403:
        scopes = [
            scope
            for one in body.get("errors") or []
            for scope in (one.get("context") or {}).get("requiredGranularScopes", [])
        ]
        needed = f": {', '.join(scopes)}" if scopes else ""
        raise CrmError(
            f"HubSpot refuses permission (403{needed}).",
            "Grant the token these scopes, then run again.",
        )
    if answer.status in (404, 405, 501) and not body.get("category"):
        raise CrmError(
            f"HubSpot knows no such call ({answer.status}).", "Check `api_url` and `api_version`."
        )
    return answer
