"""Pipedrive over HTTP: pace by its headers, and errors told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reverse_etl.crm.http import Answer, Meaning
from reverse_etl.errors import CrmError, RowError

DEFAULT_URL = "https://api.pipedrive.com"
DEFAULT_VERSION = "v2"
OAUTH_URL = "https://oauth.pipedrive.com/oauth/token"
"""Source: Pipedrive, OAuth authorization, read 2026-11-23."""
RESERVE = 5
"""Calls of a burst that are left unused, for those in flight."""


TOKENS: tuple[tuple[str, re.Pattern[str], int], ...] = (
    ("GET", re.compile(r"^/api/v2/(persons|deals|personFields|dealFields)$"), 10),
    ("GET", re.compile(r"^/api/v2/deals/archived$"), 20),
    ("GET", re.compile(r"^/api/v2/(\w+/search|itemSearch/field)$"), 20),
    ("GET", re.compile(r"^/api/v2/(stages|pipelines)$"), 5),
    ("GET", re.compile(r"^/api/v1/users/me$"), 2),
    ("GET", re.compile(r"^/api/v1/notes/\d+$"), 2),
    ("GET", re.compile(r"^/api/v1/"), 20),
    ("PUT", re.compile(r"/merge$"), 40),
    ("POST", re.compile(r"^/api/v1/"), 10),
    ("PUT", re.compile(r"^/api/v1/"), 10),
    ("POST", re.compile(r"^/api/v2/"), 5),
    ("PATCH", re.compile(r"^/api/v2/"), 5),
    ("GET", re.compile(r""), 1),
)
"""Tokens of a call, the first that fits. Source: `x-token-cost` in Pipedrive openapi-v1 and openapi-v2 (2026-08)."""


def tokens(method: str, path: str) -> int:
    """What a call takes of the company's tokens of the day."""
    plain = path.partition("?")[0]
    return next(
        (cost for name, pattern, cost in TOKENS if name == method and pattern.search(plain)), 0
    )


def pace_s(headers: Mapping[str, str]) -> float:
    """Seconds until the burst's window ends, when it is nearly used up."""
    try:
        left, reset_s = int(headers["x-ratelimit-remaining"]), float(headers["x-ratelimit-reset"])
    except (KeyError, ValueError):
        return 0.0
    return reset_s if left < RESERVE else 0.0


def meaning(status: int, body: Any, headers: Mapping[str, str]) -> Meaning:
    """Whether a 429 says that the company's tokens of the day are used up, rather than a burst's calls."""
    left = {
        headers.get(name) for name in ("x-daily-requests-left", "x-daily-ratelimit-token-remaining")
    }
    return "spent" if status == 429 and "0" in left else ""


def message_of(body: Any) -> str:
    """What an error says."""
    if not isinstance(body, dict):
        return ""
    return " ".join(
        str(body[name]) for name in ("error", "error_info") if isinstance(body.get(name), str)
    )


def check(answer: Answer) -> Answer:
    """The answer, unless it says that every call will fail. Raises: CrmError."""
    if answer.status == 401:
        raise CrmError(
            "Pipedrive does not accept the API token (401).", "Set `api_token` to a valid token."
        )
    if answer.status in (402, 403):
        if answer.body is None:
            raise CrmError(
                "Pipedrive's edge blocks these calls (403 without JSON).",
                "Too many calls were refused for pace: wait some minutes, then run again.",
            )
        raise CrmError(
            f"Pipedrive refuses permission ({answer.status}).",
            "Check the token's permissions and the plan's limits on records.",
        )
    if answer.status in (404, 405, 501) and not isinstance(answer.body, dict):
        raise CrmError(f"Pipedrive knows no such call ({answer.status}).", "Check `api_url`.")
    return answer


def row_fault(answer: Answer) -> RowError:
    """A row's fault. Raises: CrmError for a cause that is every row's."""
    message = message_of(answer.body)
    if "does not exist" in message and "field" in message:
        raise CrmError(
            "Pipedrive knows no such field.",
            "A field of the mapping was deleted meanwhile: run again, with `provision: true` if need be.",
        )
    if "archived" in message.casefold():
        return RowError(
            "archived",
            message,
            "take the deal out of the archive in Pipedrive, or leave it: nobody can edit it there",
        )
    code = "not_found" if answer.status == 404 else f"rejected_{answer.status}"
    return RowError(
        code,
        message or f"Pipedrive answered {answer.status}",
        "mend the field that the message names at the source or in the rule",
    )
