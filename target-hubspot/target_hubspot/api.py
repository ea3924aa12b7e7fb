"""HubSpot over HTTP: paths of both generations of its API, calls, and pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.call_count import CallLimits, whole_number
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Meaning, Purpose
from reverse_etl.errors import CrmError

from target_hubspot.errors import check

DEFAULT_URL = "https://api.hubapi.com"
DEFAULT_VERSION = "2026-09"
ACCOUNT = "/account-info/v3/details"
NOT_CARRIED_OUT = (423, 477)
"""Locked by a bulk write, and in migration: the call may be sent again.
Source: HubSpot, Error handling, read 2026-11-23."""
RESERVE = 4
"""Calls of a burst that stay unused, for those in flight."""


class Paths:
    """Paths of an API version: a date, or `v3` (with v4 associations)."""

    def __init__(self, version: str) -> None:
        self.dated = version != "v3"
        self.version = version
        self.types: dict[str, str] = {}
        """Type ids of custom objects, by name: their paths hold these."""

    def objects(self, name: str, call: str) -> str:
        """A call on records, such as `batch/upsert`."""
        return f"{self._base('objects')}/{self._type(name)}/{call}"

    def properties(self, name: str, call: str = "") -> str:
        """A call on an object's properties."""
        base = f"{self._base('properties')}/{self._type(name)}"
        return f"{base}/{call}" if call else base

    def associations(self, name: str, to: str, call: str) -> str:
        """A call on associations, such as `batch/create` or `labels`."""
        base = self._base("associations") if self.dated else "/crm/v4/associations"
        return f"{base}/{self._type(name)}/{self._type(to)}/{call}"

    def owners(self) -> str:
        """Users who may own records."""
        return self._base("owners")

    def pipelines(self, name: str) -> str:
        """Pipelines of an object, with their stages."""
        return f"{self._base('pipelines')}/{self._type(name)}"

    def schemas(self) -> str:
        """Custom objects. The guide names the path of 2026-03.

        Source: HubSpot, Schemas guide, read 2026-11-29.
        """
        return f"/crm-object-schemas/{'2026-03' if self.dated else 'v3'}/schemas"

    def token(self) -> str:
        """The token endpoint."""
        return f"/oauth/{self.version}/token" if self.dated else "/oauth/v1/token"

    def files(self) -> str:
        """Files. The 2026-09 specification lists no upload; that of 2026-03 does."""
        return "/files/2026-03/files" if self.dated else "/files/v3/files"

    def _base(self, section: str) -> str:
        return f"/crm/{section}/{self.version}" if self.dated else f"/crm/v3/{section}"

    def _type(self, name: str) -> str:
        return self.types.get(name, name)


@dataclass(frozen=True, slots=True)
class HubSpotApi:
    """Calls to one account."""

    http: CrmHttp
    paths: Paths

    def get(self, path: str, purpose: Purpose = SETUP) -> Mapping[str, Any]:
        """The JSON object that a GET returned. Raises: CrmError."""
        answer = check(self.http.call("GET", path, purpose))
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"HubSpot returned {answer.status} for GET {path}.",
                "Check `api_url` and `api_version`.",
            )
        return answer.body

    def post(self, path: str, purpose: Purpose, body: object, *, repeatable: bool = True) -> Answer:
        """The answer to a POST of JSON. Raises: AmbiguousAnswerError, CrmError."""
        return check(self.http.call("POST", path, purpose, json=body, repeatable=repeatable))


def meaning(status: int, body: Any, headers: Mapping[str, str]) -> Meaning:
    """`spent` if the daily limit is reached, `again` if the call was not carried out."""
    if status in NOT_CARRIED_OUT:
        return "again"
    if status != 429 or not isinstance(body, dict):
        return ""

    by_policy = str(body.get("policyName", "")).upper() == "DAILY"
    by_message = "daily limit" in str(body.get("message", "")).lower()
    by_header = headers.get("X-HubSpot-RateLimit-Daily-Remaining") == "0"
    return "spent" if by_policy or by_message or by_header else ""


def limits(headers: Mapping[str, str]) -> CallLimits:
    """The account's limits. HubSpot names those of a day to private apps, not to OAuth apps.

    Source: HubSpot, API usage guidelines, read 2026-11-30.
    """
    day, left = "X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining"
    burst = whole_number(headers, "X-HubSpot-RateLimit-Max")
    window_ms = whole_number(headers, "X-HubSpot-RateLimit-Interval-Milliseconds")
    per_s = burst * 1000 / window_ms if burst and window_ms else None
    return CallLimits(whole_number(headers, day), whole_number(headers, left), per_s)


@dataclass(slots=True)
class Pace:
    """The burst: a number of calls in a rolling window, reported with each answer."""

    interval_s: float = 10.0
    """Source: HubSpot, Usage guidelines, read 2026-11-23: ten seconds, and no Retry-After."""

    def pace_s(self, headers: Mapping[str, str]) -> float:
        """Seconds to wait when the burst is nearly used up."""
        try:
            interval_ms = int(headers["X-HubSpot-RateLimit-Interval-Milliseconds"])
            self.interval_s = max(0.1, interval_ms / 1000)
            remaining = int(headers["X-HubSpot-RateLimit-Remaining"])
        except (KeyError, ValueError):
            return 0.0
        return self.interval_s / 10 if remaining < RESERVE else 0.0

    def window_s(self) -> float:
        """Seconds until a window that is used up has passed."""
        return self.interval_s
