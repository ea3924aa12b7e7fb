"""Pipedrive over HTTP: calls, pages of both versions of its API, pace, and cost in tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.call_count import CallLimits, whole_number
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Meaning, Purpose
from reverse_etl.errors import CrmError

from target_pipedrive.errors import check
from target_pipedrive.objects import PAGE_LIMIT, V1, V1_PAGE_LIMIT

DEFAULT_URL = "https://api.pipedrive.com"
DEFAULT_VERSION = "v2"
OAUTH_URL = "https://oauth.pipedrive.com/oauth/token"
"""Source: Pipedrive, OAuth authorization, read 2026-11-23."""
RESERVE = 5
"""Calls of a burst that stay unused, for those in flight."""
BURST_S = 2.0
"""The window of a burst. Source: Pipedrive, Rate limiting, read 2026-11-30."""
TOKENS: tuple[tuple[str, re.Pattern[str], int], ...] = (
    ("GET", re.compile(r"^/api/v2/(stages|pipelines)$"), 5),
    ("GET", re.compile(r"^/api/v2/\w+$"), 10),
    ("GET", re.compile(r"^/api/v2/deals/archived$"), 20),
    ("GET", re.compile(r"^/api/v2/(\w+/search|itemSearch/field)$"), 20),
    ("GET", re.compile(r"^/api/v1/users/me$"), 2),
    ("GET", re.compile(r"^/api/v1/leads/archived$"), 40),
    ("GET", re.compile(r"^/api/v1/(notes|leads)/[^/]+$"), 2),
    ("GET", re.compile(r"^/api/v1/"), 20),
    ("PUT", re.compile(r"/merge$"), 40),
    ("POST", re.compile(r"^/api/v1/"), 10),
    ("PUT", re.compile(r"^/api/v1/"), 10),
    ("PATCH", re.compile(r"^/api/v1/"), 10),
    ("POST", re.compile(r"^/api/v2/"), 5),
    ("PATCH", re.compile(r"^/api/v2/"), 5),
    ("DELETE", re.compile(r"^/api/v2/"), 3),
    ("DELETE", re.compile(r"^/api/v1/"), 6),
    ("GET", re.compile(r""), 1),
)
"""Tokens of a call: the first line that fits.
Source: `x-token-cost` in Pipedrive openapi-v1 and openapi-v2 (2026-08)."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PipedriveApi:
    """Calls to one company."""

    http: CrmHttp

    def get(
        self, path: str, purpose: Purpose = SETUP, params: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """The JSON object that a GET returned. Raises: CrmError."""
        answer = check(self.http.call("GET", path, purpose, params=params))
        if not answer.ok or not isinstance(answer.body, dict):
            raise CrmError(
                f"Pipedrive returned {answer.status} for GET {path.partition('?')[0]}.",
                "Check `api_url` and the token's permissions.",
            )
        return answer.body

    def pages(self, path: str, purpose: Purpose = SETUP, query: str = "") -> Iterator[Record]:
        """The records of a listing; `query` starts with an ampersand. Raises: CrmError."""
        yield from (self._pages_v1 if path.startswith(V1) else self._pages_v2)(path, purpose, query)

    def _pages_v2(self, path: str, purpose: Purpose, query: str) -> Iterator[Record]:
        first = f"{path}?limit={PAGE_LIMIT}{query}"
        cursor = ""
        while True:
            body = self.get(f"{first}&cursor={cursor}" if cursor else first, purpose)
            yield from body.get("data") or []
            cursor = (body.get("additional_data") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def _pages_v1(self, path: str, purpose: Purpose, query: str) -> Iterator[Record]:
        start = 0
        while True:
            body = self.get(f"{path}?start={start}&limit={V1_PAGE_LIMIT}{query}", purpose)
            yield from body.get("data") or []
            additional = body.get("additional_data") or {}
            pagination = additional.get("pagination") or additional
            if not pagination.get("more_items_in_collection"):
                return
            start = int(pagination.get("next_start") or start + V1_PAGE_LIMIT)

    def row(self, path: str, purpose: Purpose) -> Record | None:
        """The record at a path; None if it does not exist. Raises: CrmError."""
        answer = check(self.http.call("GET", path, purpose))
        data = answer.body.get("data") if answer.ok and isinstance(answer.body, dict) else None
        return data if isinstance(data, dict) else None

    def create(self, path: str, purpose: Purpose, body: object) -> Answer:
        """The answer to a POST, which is sent only once: Pipedrive would create a second record.

        Raises: AmbiguousAnswerError, CrmError.
        """
        return check(self.http.call("POST", path, purpose, json=body, repeatable=False))

    def update(self, method: str, path: str, purpose: Purpose, body: object) -> Answer:
        """The answer to a PUT or PATCH, which may be repeated. Raises: CrmError."""
        return check(self.http.call(method, path, purpose, json=body))


def tokens(method: str, path: str) -> int:
    """What a call takes of the company's daily tokens."""
    plain = path.partition("?")[0]
    for name, pattern, cost in TOKENS:
        if name == method and pattern.search(plain):
            return cost
    return 0


def pace_s(headers: Mapping[str, str]) -> float:
    """Seconds until the window of the burst ends, if the burst is nearly used up."""
    try:
        remaining = int(headers["x-ratelimit-remaining"])
        reset_s = float(headers["x-ratelimit-reset"])
    except (KeyError, ValueError):
        return 0.0
    return reset_s if remaining < RESERVE else 0.0


def limits(headers: Mapping[str, str]) -> CallLimits:
    """The company's limits: tokens of a day, and calls of a burst.

    The headers of the tokens are seen in practice, and are not documented.
    Source: Pipedrive, Rate limiting, read 2026-11-30.
    """
    day, left = "x-daily-ratelimit-token-limit", "x-daily-ratelimit-token-remaining"
    burst = whole_number(headers, "x-ratelimit-limit")
    per_s = burst / BURST_S if burst else None
    return CallLimits(whole_number(headers, day), whole_number(headers, left), per_s)


def meaning(status: int, body: Any, headers: Mapping[str, str]) -> Meaning:
    """`spent` if the company's tokens of the day are used up, and not just a burst's calls."""
    names = ("x-daily-requests-left", "x-daily-ratelimit-token-remaining")
    remaining = {headers.get(name) for name in names}
    return "spent" if status == 429 and "0" in remaining else ""
