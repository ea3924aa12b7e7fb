"""The settings and streams as Airbyte describes them, and what Airbyte gives as the tap takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tap_canai.errors import SettingError
from tap_canai.streams import STREAM_ORDER, catalog_entry, load_schema

DOCUMENTATION = "https://github.com/canai/canai-crm/blob/main/docs/airbyte.md"
CLOSED_WORDS = ("$ref", "allOf", "not", "additionalProperties")
GROUPS = {
    "connection": (
        "api_key",
        "api_url",
        "api_version",
        "request_timeout",
        "requests_per_minute",
        "allow_private_download_hosts",
    ),
    "range": (
        "start_date",
        "end_date",
        "window_days",
        "lookback_seconds",
        "sweep_days",
        "parallel_exports",
        "format",
    ),
    "filters": ("user_ids", "subscription_tiers", "journey_stages", "product_tracks"),
    "privacy": ("anonymize", "compliance_mode", "audit_log"),
}
TITLES = {
    "connection": "Connection",
    "range": "What is read",
    "filters": "Filters",
    "privacy": "Privacy",
}


def open_types(given: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema with nothing in it that destinations do not take, open for more properties."""
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name in CLOSED_WORDS and not (
            name == "additionalProperties" and isinstance(value, dict)
        ):
            continue
        if name == "properties":
            made[name] = {key: open_types(one) for key, one in value.items()}
        elif isinstance(value, dict):
            made[name] = open_types(value)
        else:
            made[name] = value
    if made.get("format") == "date-time":
        made["airbyte_type"] = "timestamp_with_timezone"
    return made


def specification() -> dict[str, Any]:
    """The settings, in order and in groups, secrets marked."""
    from tap_canai.tap import TapCanAI

    declared = TapCanAI.config_jsonschema["properties"]
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    properties = {}
    for order, name in enumerate(name for names in GROUPS.values() for name in names):
        given = {
            key: value
            for key, value in declared[name].items()
            if key not in ("secret", "writeOnly")
        }
        one = open_types(given)
        types = [kind for kind in as_list(one.get("type", "string")) if kind != "null"]
        one["type"] = types[0] if len(types) == 1 else types
        if "enum" in one:
            one["enum"] = [value for value in one["enum"] if value is not None]
        one.pop("airbyte_type", None)
        if name in ("start_date", "end_date"):
            one["pattern"] = (
                r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z)?$"
            )
            one.pop("format", None)
        if declared[name].get("secret"):
            one["airbyte_secret"] = True
        properties[name] = {**one, "order": order, "group": group_of[name]}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "CanAI",
        "type": "object",
        "required": ["api_key"],
        "additionalProperties": True,
        "groups": [{"id": group, "title": title} for group, title in TITLES.items()],
        "properties": properties,
    }
    return {"documentationUrl": DOCUMENTATION, "connectionSpecification": schema}


def as_list(value: Any) -> list[Any]:
    """A value that may stand alone."""
    return value if isinstance(value, list) else [value]


def catalog_stream(stream: Any) -> dict[str, Any]:
    """A stream as discover shows it."""
    schema = open_types(load_schema(stream.name))
    schema["additionalProperties"] = True
    return {
        "name": stream.name,
        "json_schema": {"$schema": "http://json-schema.org/draft-07/schema#", **schema},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [stream.replication_key],
        "source_defined_primary_key": [[key] for key in stream.primary_keys],
        "is_resumable": True,
    }


# What is asked of it


def input_state(text: str | None) -> dict[str, Any]:
    """The tap's state from Airbyte's: a list of stream states, one Singer state of old, or nothing. Raises: SettingError."""
    try:
        given = json.loads(text) if text and text.strip() else None
    except ValueError:
        raise SettingError("The state is no JSON.", "Reset the connection's state.") from None
    if isinstance(given, Mapping):
        legacy = (
            given.get("bookmarks")
            if "bookmarks" in given
            else given.get("data", {}).get("bookmarks")
            if given.get("data")
            else None
        )
        return {"bookmarks": dict(legacy or {})}
    bookmarks = {}
    for one in given or []:
        stream = (one or {}).get("stream") or {}
        name = (stream.get("stream_descriptor") or {}).get("name")
        if name and stream.get("stream_state"):
            bookmarks[name] = stream["stream_state"]
    return {"bookmarks": bookmarks}


def singer_catalog(configured: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], set[str]]:
    """The tap's catalog of a configured one, the streams in order, and those to be read from the beginning. Raises: SettingError."""
    known = set(STREAM_ORDER)
    wanted = {str(one["stream"]["name"]): one for one in configured.get("streams") or []}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise SettingError(
            f"The source has no stream {', '.join(unknown)}.",
            "Refresh the source's schema in Airbyte.",
        )
    entries = []
    for name in STREAM_ORDER:
        chosen = name in wanted
        fields = (
            set((wanted[name]["stream"].get("json_schema") or {}).get("properties") or {})
            if chosen
            else set()
        )
        entries.append(catalog_entry(name, selected=chosen, fields=fields))
    full = {name for name, one in wanted.items() if one.get("sync_mode") != "incremental"}
    return {"streams": entries}, [name for name in STREAM_ORDER if name in wanted], full


def loaded(path: str | None, what: str) -> Any:
    """A JSON file. Raises: SettingError."""
    try:
        return json.loads(Path(str(path)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingError(
            f"The {what} is no JSON file that can be read.", "Give its path."
        ) from None
