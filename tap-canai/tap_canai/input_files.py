"""State and catalog as they are handed in: what is not one is an error, never an empty one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from tap_canai.errors import SettingError

RESTART = "Fix it, or run without a state to read everything again."
RESELECT = "Write a new one with `tap-canai --discover`."


def json_of(file: IO[str] | None, what: str, hint: str) -> Any:
    """The JSON in a file; None without a file. Raises: SettingError."""
    if file is None:
        return None
    try:
        content = json.loads(file.read().removeprefix("\ufeff"))
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        raise SettingError(f"The {what} is not valid JSON.", hint) from None
    if content is None:
        raise SettingError(f"The {what} is empty.", hint)
    return content


def state_of(file: IO[str] | None) -> Any:
    """The state in a file; None without a file. Raises: SettingError."""
    return json_of(file, "state", RESTART)


def catalog_of(file: IO[str] | None) -> Any:
    """The catalog in a file; None without a file. Raises: SettingError."""
    return json_of(file, "catalog", RESELECT)


def check_state(state: object) -> None:
    """Raises: SettingError if a state has another form than the tap writes."""
    if state is None:
        return
    if not isinstance(state, Mapping):
        raise SettingError("The state is not a JSON object.", RESTART)
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, Mapping):
        raise SettingError("The state's `bookmarks` are not a JSON object.", RESTART)
    for stream, values in bookmarks.items():
        if not isinstance(values, Mapping):
            raise SettingError(f"The state of {str(stream)[:60]!r} is not a JSON object.", RESTART)


def check_catalog(catalog: object) -> None:
    """Raises: SettingError if a catalog as JSON has another form than `--discover` writes."""
    if catalog is None or not isinstance(catalog, Mapping | list | str | int | float):
        return  # there is none, or the SDK's own class has read it
    streams = catalog.get("streams") if isinstance(catalog, Mapping) else None
    is_list = isinstance(streams, list) and all(isinstance(each, Mapping) for each in streams)
    names = is_list and all(isinstance(each.get("tap_stream_id"), str) for each in streams or ())
    if not names:
        raise SettingError("The catalog is not a JSON object with a list of streams.", RESELECT)
