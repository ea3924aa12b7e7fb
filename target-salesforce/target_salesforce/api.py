"""Salesforce over HTTP: one call to the org, its limits, and what its refusals mean for pace."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from reverse_etl.crm.call_count import CallLimits
from reverse_etl.crm.http import Answer, CrmHttp, Meaning, Purpose, Upload

from target_salesforce.errors import check, errors_of, session_ended
from target_salesforce.session import Session

logger = logging.getLogger(__name__)

DEFAULT_VERSION = "v67.0"
API_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
WARNING_SHARES = (0.8, 0.95)


@dataclass(frozen=True, slots=True)
class Request:
    """One call to the org; its path follows the API version, unless it starts with /services/."""

    method: str
    path: str
    purpose: Purpose
    json: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of a JSON body, besides the session's."""
    upload: Upload | None = None
    """A body that is not JSON."""
    into: IO[bytes] | None = None
    """The file that receives the body of a success."""
    final: frozenset[int] = frozenset()
    """Statuses that are not retried."""
    repeatable: bool = True
    missing_ok: bool = False
    """True if a 404 is to be returned rather than raised."""


class SalesforceApi:
    """Calls to one org, in one API version."""

    def __init__(self, http: CrmHttp, session: Session, version: str) -> None:
        self.http, self.session = http, session
        self.version = version if version.startswith("v") else f"v{version}"

    def call(self, request: Request) -> Answer:
        """The answer to a call, unless it means that every call will fail.

        Raises: AmbiguousAnswerError if the request is not repeatable, CrmError.
        """
        self.session.headers()  # sign in first: only then is the instance's URL known

        upload = request.upload
        if request.headers:
            upload = json_upload(request.json, request.headers)
        answer = self.http.call(
            request.method,
            self.session.instance_url + self.versioned(request.path),
            request.purpose,
            json=None if upload else request.json,
            upload=upload,
            into=request.into,
            final=request.final,
            repeatable=request.repeatable,
        )
        return answer if request.missing_ok and answer.status == 404 else check(answer)

    def get(self, path: str, purpose: Purpose, *, missing_ok: bool = False) -> Answer:
        """The answer to a GET. Raises: CrmError."""
        return self.call(Request("GET", path, purpose, missing_ok=missing_ok))

    def post(self, path: str, purpose: Purpose, body: object, *, repeatable: bool = True) -> Answer:
        """The answer to a POST of JSON. Raises: AmbiguousAnswerError, CrmError."""
        return self.call(Request("POST", path, purpose, json=body, repeatable=repeatable))

    def versioned(self, path: str) -> str:
        """The path on the instance."""
        return path if path.startswith("/services/") else f"/services/data/{self.version}{path}"


def json_upload(body: object, headers: Mapping[str, str]) -> Upload:
    """A JSON body with headers of its own."""
    encoded = json.dumps(body).encode()
    return Upload(lambda: encoded, {"Content-Type": "application/json", **headers})


def meaning(status: int, body: Any, headers: Mapping[str, str]) -> Meaning:
    """`spent` if the org's calls of the last 24 hours are used up.

    `again` if too many long calls are running at the moment: they end by themselves. `expired` if
    the session has ended.
    """
    if session_ended(body):
        return "expired"
    for error in errors_of(body):
        if status == 403 and error.get("errorCode") == "REQUEST_LIMIT_EXCEEDED":
            return "again" if "Concurrent" in str(error.get("message")) else "spent"
    return ""


def limits(headers: Mapping[str, str]) -> CallLimits:
    """The org's calls of the last 24 hours; Salesforce has no limit per second."""
    usage = API_USAGE.search(headers.get("Sforce-Limit-Info", ""))
    if usage is None:
        return CallLimits()
    used, limit = int(usage.group(1)), int(usage.group(2))
    return CallLimits(limit, max(0, limit - used))


@dataclass(slots=True)
class LimitWatch:
    """Watches the org's calls of the last 24 hours, reported with each answer as `USED/MAX`."""

    warned_at: float = 0.0

    def pace_s(self, headers: Mapping[str, str]) -> float:
        """0.0, since Salesforce asks for no pace; warns once at 80 % and once at 95 %."""
        usage = API_USAGE.search(headers.get("Sforce-Limit-Info", ""))
        if usage is None:
            return 0.0

        used, limit = int(usage.group(1)), int(usage.group(2))
        reached = [share for share in WARNING_SHARES if used >= share * max(1, limit)]
        if reached and reached[-1] > self.warned_at:
            self.warned_at = reached[-1]
            logger.warning(
                "Salesforce: %d of %d API calls of the org's last 24 hours are used", used, limit
            )
        return 0.0
