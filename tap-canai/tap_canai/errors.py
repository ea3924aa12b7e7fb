"""Errors by what can be done about them.

    TapError              the stream, or the run, cannot go on; the message says what to do
      SettingError        a setting makes no sense
      ApiRefused          the API refuses for a cause that asking again does not mend (400, 401, 403)
        UnknownFields     it does not know fields that were asked for
      ApiUnavailable      the API cannot be reached, or answers with errors for too long
      ExportBroken        a file is not what the API said it is
      ExportFailed        the API could not make the export
      SchemaDrift         a property has another type than the schema says
      PersonalData        an anonymised export holds personal data
    ExportGone            a file or export is no longer there: ask for the export again

No message holds a key, a signed URL or a value of a record.
"""

from __future__ import annotations

from singer_sdk.exceptions import FatalAPIError


class TapError(FatalAPIError):
    """The root; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.hint = hint


class SettingError(TapError):
    """A setting makes no sense."""


class ApiRefused(TapError):
    """The API refuses, and would refuse again."""


class UnknownFields(ApiRefused):
    """The API does not know fields that were asked for."""

    def __init__(self, message: str, hint: str, names: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.names = names


class ApiUnavailable(TapError):
    """The API cannot be reached, or fails for too long."""


class ExportBroken(TapError):
    """A file is not what the API said it is."""


class ExportFailed(TapError):
    """The API could not make the export."""


class PersonalData(TapError):
    """An export that was asked for anonymised holds personal data."""


class SchemaDrift(TapError):
    """A property has another type than the schema says."""


class ExportGone(Exception):
    """The file is no longer there; the export has to be asked for again."""
