"""Settings that the SDK gives to every target, though this one does not do what they say.

None of them is offered. Meltano may give one to any plugin, so a value that asks for what the
target does anyway is fine, and any other ends the run: `load_method: overwrite`, for one, promises
that nothing else is left in the CRM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singer_sdk import Target

from reverse_etl.errors import SettingError

DONE: Mapping[str, tuple[tuple[object, ...], str]] = {
    "add_record_metadata": ((False,), "the CRM gets the fields that the mapping names"),
    "hard_delete": ((False,), "the CRM keeps records whose rows left the source"),
    "load_method": (("append-only", "upsert"), "records are upserted"),
    "validate_records": ((True,), "every record is validated against its schema"),
}
"""Values that ask for what the target does, and what that is.

Source: singer_sdk/helpers/capabilities.py of singer-sdk 0.54.9, read 2026-11-30.
"""


class SdkSettings(Target):
    """A target that does not offer them."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """As the SDK, without the settings that have no effect."""
        own = set(config_jsonschema["properties"])
        super().append_builtin_config(config_jsonschema)
        for name in DONE.keys() - own:
            config_jsonschema["properties"].pop(name, None)


def check_sdk_settings(config: Mapping[str, Any]) -> None:
    """Raises: SettingError if a setting of the SDK asks for what the target does not do."""
    for name, (values, does) in DONE.items():
        value = config.get(name)
        if value in (None, "") or plain(value) in map(plain, values):
            continue
        raise SettingError(
            f"{name}: {value!r} has no effect in this target: {does}.", f"Take {name} out."
        )


def plain(value: object) -> str:
    """A value as environment variables spell it."""
    return str(value).lower()
