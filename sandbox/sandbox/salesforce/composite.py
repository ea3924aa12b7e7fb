"""Salesforce's composite calls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.http import Call, Reply
from sandbox.salesforce.errors import CallError

COMPOSITE_LIMIT = 25
COMPOSITE_QUERY_LIMIT = 5
"""Subrequests of a composite, and how many of them may be queries or collections.

Source: Salesforce REST guide, 2026-11.
"""
HEAVY = re.compile(r"/query|/composite/sobjects|/sobjects/\w+/describe")


def composite(call: Call, run: Callable[[Call], Reply]) -> Reply:
    """The responses to the parts of a composite, each run as a call of its own.

    Raises: CallError.
    """
    parts = (call.json() or {}).get("compositeRequest") or []
    check_limits(parts)

    answers, rows = [], 0
    for part in parts:
        reply = run(subrequest(call, part))
        rows += reply.rows or 0
        answer = {
            "body": reply.body,
            "httpHeaders": {},
            "httpStatusCode": reply.status,
            "referenceId": part.get("referenceId"),
        }
        answers.append(answer)

    read_only = all(part.get("method") == "GET" for part in parts)
    return Reply(200, {"compositeResponse": answers}, rows=rows if read_only else None)


def check_limits(parts: list[dict[str, Any]]) -> None:
    """Check the number of parts.

    Raises: CallError.
    """
    if not 0 < len(parts) <= COMPOSITE_LIMIT:
        message = f"A composite holds 1 to {COMPOSITE_LIMIT} subrequests"
        raise CallError(400, "LIMIT_EXCEEDED", message)

    heavy = [part for part in parts if HEAVY.search(part["url"])]
    if len(heavy) > COMPOSITE_QUERY_LIMIT:
        most = COMPOSITE_QUERY_LIMIT
        message = f"A composite holds at most {most} query or collection subrequests"
        raise CallError(400, "LIMIT_EXCEEDED", message)


def subrequest(call: Call, part: dict[str, Any]) -> Call:
    """A part of a composite as a call."""
    url = urlsplit(part["url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    path = url.path[url.path.index("/services") :] if "/services" in url.path else url.path
    body = json.dumps(part["body"]).encode() if part.get("body") is not None else b""
    return Call(part["method"], unquote(path), query, call.headers, body, call.base_url)
