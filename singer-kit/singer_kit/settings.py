"""Settings: converted from text, validated with one clear error, and checked."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from singer_kit.errors import SettingError
from singer_kit.known_settings import check_environment, check_settings, known_settings
from singer_kit.secrets import clean_secret
from singer_kit.urls import shown_url

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PLACE = re.compile(r".* in config\['?(\w+)'?\]", re.DOTALL)
"""The setting that the SDK's message blames. Greedy: the value quoted before may look the same."""
REQUIRED = re.compile(r"'(\w+)' is a required property")
EXPECTED = re.compile(
    r".*(is not (?:of type|one of) [^$]*?(?= in config)"
    r"|is (?:less|greater) than (?:or equal to )?the (?:minimum|maximum) of [\d.]+)",
    re.DOTALL,
)
"""What the SDK's message says the setting should have been, without the value it quotes."""


def coerced(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with numbers, booleans, lists and objects converted that came as text.

    The environment and Meltano give every setting as text. Text that does not convert stays as it
    is; the validation that follows names it. Secrets lose the blanks around them.

    Raises: SettingError for a secret that no header can carry.
    """
    converted = dict(config)
    for name, value in config.items():
        types = schema["properties"].get(name, {}).get("type", [])
        allowed = {types} if isinstance(types, str) else set(types)
        if isinstance(value, str) and schema["properties"].get(name, {}).get("secret"):
            converted[name] = clean_secret(value, name)
        if not isinstance(value, str) or "string" in allowed:
            continue
        if not value.strip():
            del converted[name]
            continue
        try:
            converted[name] = json.loads(value.lower() if "boolean" in allowed else value)
        except ValueError:
            continue
    return converted


def with_environment(plugin: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, and over them those that environment variables of the plugin's name hold.

    `plugin` is the tap's or target's class. Raises: SettingError if a name is unknown.
    """
    check_settings(plugin, settings)
    # the SDK offers no public way to read a plugin's environment variables
    try:
        from_environment = plugin._env_var_config
    except ValueError:  # text instead of a number: the validation that follows names the setting
        from_environment = environment_texts(plugin)
    check_environment(plugin)  # only now: the SDK has read a .env file into the environment
    lists = environment_lists(plugin)
    return coerced({**settings, **from_environment, **lists}, plugin.config_jsonschema)


def environment_texts(plugin: Any) -> dict[str, str]:
    """The environment variables of a plugin's settings, as they are."""
    prefix = str(plugin._env_var_prefix)
    texts = {name: os.environ.get(f"{prefix}{name.upper()}") for name in known_settings(plugin)}
    return {name: text for name, text in texts.items() if text is not None}


def environment_lists(plugin: Any) -> dict[str, Any]:
    """The settings of environment variables that can only be lists."""
    properties = plugin.config_jsonschema["properties"]
    types = {name: properties.get(name, {}).get("type", []) for name in known_settings(plugin)}
    return {
        name: listed(text)
        for name, text in environment_texts(plugin).items()
        if "array" in types[name] and "string" not in types[name]
    }


def listed(text: str) -> Any:
    """The list in a text: JSON, or as Meltano 4.4 writes it for a command, as Python does.

    Without brackets the entries are separated by commas.
    """
    if not text.strip().startswith("["):
        return [entry.strip() for entry in text.split(",") if entry.strip()]
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text  # the validation that follows names the setting


def command_line_settings(plugin: Any, config: Any) -> dict[str, Any]:
    """The settings of the SDK's `--config` options; `config` is what its command gives `invoke`.

    Raises: SettingError if a name is unknown.
    """
    if not config:
        return {}
    settings = config.config or {}
    if config.parse_env:
        return with_environment(plugin, settings)
    check_settings(plugin, settings)
    if in_meltano():  # it turns variables into the settings that it knows, and ignores others
        check_environment(plugin)
    return coerced(settings, plugin.config_jsonschema)


def settings_from_files(names: Sequence[str]) -> dict[str, Any]:
    """The settings of JSON files, later ones over earlier ones. Raises: SettingError.

    `ENV` is not a file: in the SDK's commands it stands for the environment.
    """
    settings: dict[str, Any] = {}
    for name in names:
        if name == "ENV":
            continue
        try:
            text = Path(name).read_text(encoding="utf-8")
            settings |= json.loads(text, parse_constant=refuse_constant)
        except (OSError, ValueError, TypeError):
            raise SettingError(
                f"{name} is not a readable settings file.", "Give a file that holds a JSON object."
            ) from None
    return settings


def refuse_constant(name: str) -> None:
    """Raises: ValueError for NaN and Infinity, which Python's JSON reader takes and no other."""
    raise ValueError(f"{name} is not JSON")


def bad_setting(messages: Sequence[str]) -> SettingError:
    """The SDK's validation errors as one, without the values they quote, which may be secrets."""
    problems = " ".join(map(problem, messages)) or "A setting is not valid."
    return SettingError(problems, "The README says what each setting takes.")


def problem(message: str) -> str:
    """One of the SDK's validation errors as a sentence that names the setting, not its value."""
    if required := REQUIRED.search(message):
        return f"The setting {required.group(1)!r} is missing."
    place = PLACE.match(message)
    if place is None:
        return "A setting is not valid."
    expected = EXPECTED.match(message)
    # every setting may be null; to say so would only confuse
    why = f": it {expected.group(1)}".replace(", 'null'", "") if expected else ""
    return f"The setting {place.group(1)!r} is not valid{why}."


def checked_url(value: str, name: str) -> str:
    """A base URL without trailing slash; plain http only to this machine. Raises: SettingError."""
    url = value.rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a port that is not a number, a bracket without its pair
        host = None
    if not host or parts.scheme not in ("https", "http"):
        raise SettingError(
            f"{name} is not a valid http(s) URL.",
            "Give the host without version, as in https://api.example.com.",
        )
    check_place_only(url, name)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise SettingError(
            f"{name} uses plain http to a host that is not this machine.", "Use https://."
        )
    return url


def check_place_only(url: str, name: str) -> None:
    """Raises: SettingError if a URL says more than the place that paths are added to."""
    if "@" in urlsplit(url).netloc or "?" in url or "#" in url:
        raise SettingError(
            f"{name} has a user, a query or a fragment, which a base URL cannot have: "
            f"{shown_url(url)}.",
            "Put credentials into their own settings.",
        )


def in_meltano() -> bool:
    """Returns True if Meltano started this process."""
    return bool(os.environ.get("MELTANO_PROJECT_ROOT"))


def run_folder(plugin: str) -> Path | None:
    """Meltano's folder for the files of a plugin's runs; None outside Meltano."""
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    return Path(root) / ".meltano" / "run" / plugin if root else None
