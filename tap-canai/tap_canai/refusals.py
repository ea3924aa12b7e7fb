"""What the export API means by a 4xx, and what to do about it."""

from __future__ import annotations

from typing import Any

import requests

from tap_canai.errors import TRY_AGAIN, ApiRefusedError, UnknownFieldsError

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


def refusal(response: requests.Response) -> ApiRefusedError:
    """The error that a 4xx stands for."""
    status, error = response.status_code, error_of(response)
    code = str(error.get("code", ""))
    if status == 400:
        return bad_request(error, code)
    if status == 403 and "address" in code:
        return ApiRefusedError(*WRONG_ADDRESS)
    other = (f"The export API answered {status} {code}.", f"Check the settings. {TRY_AGAIN}")
    return ApiRefusedError(*BY_STATUS.get(status, other))


def error_of(response: requests.Response) -> dict[str, Any]:
    """The `error` object of a response; empty if it has none."""
    try:
        error = response.json().get("error")
    except (ValueError, AttributeError):  # a proxy's page, or JSON that is not an object
        return {}
    return error if isinstance(error, dict) else {}


def bad_request(error: dict[str, Any], code: str) -> ApiRefusedError:
    """The error that a 400 stands for."""
    unknown = tuple(map(str, (error.get("details") or {}).get("unknown_fields") or []))
    if unknown:
        return UnknownFieldsError(
            f"The export API does not know the fields {', '.join(unknown)} (400).",
            "Deselect them, or update tap-canai.",
            unknown,
        )
    return ApiRefusedError(
        f"The export API refuses the request (400 {code}): {error.get('message', '')}",
        "Check start_date, end_date and the selection.",
    )
