"""What the export API means by a 4xx, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from singer_kit.scrub import scrub

from tap_canai.answers import Answer, Reply, decode
from tap_canai.errors import TRY_AGAIN, ApiRefusedError, ExportBrokenError, UnknownFieldsError

NAME = re.compile(r"[A-Za-z0-9_.*-]{1,100}")
"""What the API may say of a field: its name, qualified or not."""

BY_STATUS = {
    401: (
        "The export API does not accept the API key (401).",
        "Set `api_key`, or CANAI_API_KEY, to a valid key.",
    ),
    403: (
        "The API key has no export permission (403).",
        "Grant it in the CanAI platform.",
    ),
    404: (
        "The export API has no such call (404).",
        "Check `api_url` and `api_version`.",
    ),
}
WRONG_ADDRESS = (
    "The export API refuses this machine's address (403).",
    "Add it to the key's list of allowed addresses.",
)


def refusal(reply: Reply) -> ApiRefusedError:
    """The error that a 4xx stands for."""
    error = error_of(reply.body)
    code = scrub(str(error.get("code") or ""))
    if reply.status == 400:
        return bad_request(error, code)
    if reply.status == 403 and "address" in code:
        return ApiRefusedError(*WRONG_ADDRESS)
    if 300 <= reply.status < 400:
        return ApiRefusedError(
            f"The export API redirects to another address ({reply.status}).",
            "Set `api_url` to the address it redirects to; a key is not sent after a redirect.",
        )
    other = (f"The export API answered {reply.status} {code}.", f"Check the settings. {TRY_AGAIN}")
    return ApiRefusedError(*BY_STATUS.get(reply.status, other))


def error_of(body: bytes) -> Mapping[str, Any]:
    """The `error` object of a response; empty if it has none. Text counts as its message."""
    try:
        error = decode(body, Answer).error
    except ExportBrokenError:  # a proxy's page, or JSON that is not an object
        return {}
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def unknown_fields(details: object) -> tuple[str, ...]:
    """The `unknown_fields` of an error's details, as far as they look like names."""
    names = details.get("unknown_fields") if isinstance(details, dict) else None
    if not isinstance(names, list):
        return ()
    return tuple(name for name in names if isinstance(name, str) and NAME.fullmatch(name))


def bad_request(error: Mapping[str, Any], code: str) -> ApiRefusedError:
    """The error that a 400 stands for."""
    unknown = unknown_fields(error.get("details"))
    if unknown:
        return UnknownFieldsError(
            f"The export API does not know the fields {', '.join(unknown)} (400).",
            "Deselect them, or update tap-canai.",
            unknown,
        )
    return ApiRefusedError(
        f"The export API refuses the request (400 {code}): {scrub(str(error.get('message', '')))}",
        "Check start_date, end_date and the selection.",
    )
