"""Errors that end as one line: what happened, then what to do.

    FatalError          the run, or one stream of it, cannot go on; exit code 1
      SettingError      a setting is missing or not valid

A package adds its own errors below `FatalError`. No message holds a secret or a value of a record.
"""

from __future__ import annotations

from typing import ClassVar

from singer_sdk.exceptions import FatalAPIError


class FatalError(FatalAPIError):
    """The run, or one stream of it, cannot go on; `hint` says what to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message, self.hint = message, hint


class SettingError(FatalError):
    """A setting is missing or not valid."""
