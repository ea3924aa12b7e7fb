"""Airbyte's catalog of the tap's streams, and the tap's catalog and state of Airbyte's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tap_canai.airbyte.open_schema import open_schema
from tap_canai.errors import SettingError
from tap_canai.schema_files import load_schema
from tap_canai.streams import STREAM_NAMES, catalog_entry


@dataclass(frozen=True, slots=True)
class Selection:
    """What a configured catalog selects."""

    catalog: dict[str, Any]
    """The tap's catalog."""
    streams: tuple[str, ...]
    """The selected streams, in order."""
    full_refresh: frozenset[str]
    """Those of them that are read from their beginning."""


def catalog_stream(stream: Any) -> dict[str, Any]:
    """A stream as discover shows it."""
    schema = {**open_schema(load_schema(stream.name)), "additionalProperties": True}
    return {
        "name": stream.name,
        "json_schema": {"$schema": "http://json-schema.org/draft-07/schema#", **schema},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [stream.replication_key],
        "source_defined_primary_key": [[key] for key in stream.primary_keys],
        "is_resumable": True,
    }


def selection(configured: Mapping[str, Any]) -> Selection:
    """What a configured catalog selects. Raises: SettingError for an unknown stream."""
    wanted = {str(entry["stream"]["name"]): entry for entry in configured.get("streams") or []}
    unknown = sorted(wanted.keys() - set(STREAM_NAMES))
    if unknown:
        raise SettingError(
            f"The source has no stream {', '.join(unknown)}.",
            "Refresh the source's schema in Airbyte.",
        )
    entries = [
        catalog_entry(name, selected=name in wanted, fields=fields_of(wanted.get(name)))
        for name in STREAM_NAMES
    ]
    full = {name for name, entry in wanted.items() if entry.get("sync_mode") != "incremental"}
    streams = tuple(name for name in STREAM_NAMES if name in wanted)
    return Selection({"streams": entries}, streams, frozenset(full))


def fields_of(entry: Mapping[str, Any] | None) -> set[str]:
    """The properties that a configured stream selects; none where it does not say."""
    schema = entry["stream"].get("json_schema") if entry else None
    return set((schema or {}).get("properties") or {})


def input_state(text: str) -> dict[str, Any]:
    """The tap's state from Airbyte's. Raises: SettingError.

    That is a list of stream states, a Singer state of an old version, or nothing.
    """
    try:
        state = json.loads(text) if text.strip() else None
    except ValueError:
        raise SettingError(
            "The state is not valid JSON.", "Reset the connection's state."
        ) from None
    if isinstance(state, Mapping):
        holder = state if "bookmarks" in state else state.get("data") or {}
        return {"bookmarks": dict(holder.get("bookmarks") or {})}
    bookmarks = {}
    for entry in state or []:
        stream = (entry or {}).get("stream") or {}
        name = (stream.get("stream_descriptor") or {}).get("name")
        if name and stream.get("stream_state"):
            bookmarks[name] = stream["stream_state"]
    return {"bookmarks": bookmarks}
