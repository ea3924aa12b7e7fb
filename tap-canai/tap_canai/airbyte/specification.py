"""The tap's settings as Airbyte shows them: in order, in groups, with secrets marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap_canai.airbyte.open_schema import open_schema
from tap_canai.config_schema import CONFIG_SCHEMA

DOCUMENTATION = "https://github.com/canai/canai-crm/blob/main/docs/airbyte.md"
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
"""`inbox_url` and `api_key_file` are left out: an Airbyte image has no inbox and no secret
file beside it. Events go by Meltano, and Airbyte keeps the key."""
TITLES = {
    "connection": "Connection",
    "range": "What is read",
    "filters": "Filters",
    "privacy": "Privacy",
}
DATES = ("start_date", "end_date")
DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z)?$"


def specification() -> dict[str, Any]:
    """The ConnectorSpecification."""
    declared = CONFIG_SCHEMA["properties"]
    properties: dict[str, Any] = {}
    for group, names in GROUPS.items():
        for name in names:
            shown = shown_setting(name, declared[name])
            properties[name] = {**shown, "order": len(properties), "group": group}
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


def shown_setting(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """A setting as Airbyte's form shows it."""
    shown = open_schema(
        {word: value for word, value in declared.items() if word not in ("secret", "writeOnly")}
    )
    shown.pop("airbyte_type", None)
    types = [kind for kind in as_list(shown.get("type", "string")) if kind != "null"]
    shown["type"] = types[0] if len(types) == 1 else types
    if "enum" in shown:
        shown["enum"] = [value for value in shown["enum"] if value is not None]
    if name in DATES:
        shown["pattern"] = DATE_PATTERN
        shown.pop("format", None)
    if declared.get("secret"):
        shown["airbyte_secret"] = True
    return shown


def as_list(value: Any) -> list[Any]:
    """A list of what may stand alone."""
    return value if isinstance(value, list) else [value]
