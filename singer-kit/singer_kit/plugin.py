"""What every tap and target does with its command line, before the SDK does."""

from __future__ import annotations

from typing import Any

import click
from singer_sdk.plugin_base import PluginBase

from singer_kit.settings import settings_from_files


class CheckedFiles(PluginBase):
    """A plugin whose settings files are read with one clear error instead of a traceback."""

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """The settings of `--config`. Raises: SettingError if a file cannot be read."""
        settings_from_files(value)
        return super().cb_config(ctx, param, value)
