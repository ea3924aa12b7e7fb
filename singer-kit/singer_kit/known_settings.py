"""Settings that nobody reads are errors: a mistyped name must not pass in silence."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from singer_kit.errors import SettingError
from singer_kit.words import nearest

SDK_SETTINGS = frozenset(
    {
        "add_record_metadata",
        "batch_config",
        "batch_size_rows",
        "default_target_schema",
        "emit_activate_version_messages",
        "faker_config",
        "flattening_enabled",
        "flattening_max_depth",
        "flattening_max_key_length",
        "flattening_separator",
        "hard_delete",
        "load_method",
        "process_activate_version_messages",
        "stream_map_config",
        "stream_maps",
        "target_schema",
        "use_singer_decimal",
        "validate_records",
    }
)
"""Settings of the SDK and of its usual targets, which Meltano may give to any plugin.

Source: singer_sdk/helpers/capabilities.py of singer-sdk 0.54.9, read 2026-11-29.
"""
SERVICE_LINK = re.compile(r"SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?")
"""What Kubernetes adds to the environment for a service that is named as the plugin.

Source: https://kubernetes.io/docs/concepts/services-networking/service/, read 2026-11-29.
"""


def known_settings(plugin: Any) -> set[str]:
    """Names of all settings of a tap's or target's class, those of the SDK among them."""
    schema = deepcopy(plugin.config_jsonschema)
    plugin.append_builtin_config(schema)
    return set(schema["properties"]) | SDK_SETTINGS


def check_settings(plugin: Any, settings: Mapping[str, Any]) -> None:
    """Raises: SettingError that names unknown settings, each with the nearest known name.

    An empty value is not set: Meltano passes one for every setting that its project declares.
    """
    known = known_settings(plugin)
    unknown = [
        name for name, value in settings.items() if name not in known and value not in (None, "")
    ]
    report("The setting", unknown, known)


def check_environment(plugin: Any) -> None:
    """Raises: SettingError that names environment variables that look like a setting of a plugin.

    A variable that ends in the name of a setting is left alone: it may belong to another plugin
    that inherits from this one, as TAP_CANAI_EVENTS_INBOX_URL does.
    """
    prefix = str(plugin._env_var_prefix)
    known = known_settings(plugin)
    endings = tuple(f"_{name}" for name in known)
    names = [name.removeprefix(prefix) for name in os.environ if name.startswith(prefix)]
    unknown = [
        f"{prefix}{name}"
        for name in names
        if name.lower() not in known
        # Meltano's own, such as TAP_CANAI__SELECT, or those of a plugin that inherits from this one
        and "__" not in f"_{name}"
        and not name.lower().endswith(endings)
        and not SERVICE_LINK.fullmatch(name)
        and os.environ[f"{prefix}{name}"]
    ]
    report("The environment variable", unknown, {f"{prefix}{name.upper()}" for name in known})


def report(what: str, unknown: Iterable[str], known: Iterable[str]) -> None:
    """Raises: SettingError if a name is unknown; it names all of them."""
    words = sorted(known)
    problems = [
        f"{what} {name!r} is unknown. {nearest(name, words)}".strip() for name in sorted(unknown)
    ]
    if problems:
        raise SettingError(" ".join(problems), "The README lists the settings.")
