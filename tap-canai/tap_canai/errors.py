"""Errors by what can be done about them.

    FatalError (singer_kit)     the run, or a stream of it, cannot go on
      SettingError              a setting is missing or not valid
      ApiRefusedError           the API refuses, and would refuse again (400, 401, 403)
        UnknownFieldsError      it does not know fields that were requested
      ApiUnavailableError       the API cannot be reached, or fails for too long
      ExportBrokenError         a file is not what the API said it is
      ExportFailedError         the API could not create the export
      SchemaDriftError          a property has another type than the schema says
      PersonalDataError         an anonymised export contains personal data
      StreamsFailedError        several streams failed; the others were read
    ExportGoneError             a file or export no longer exists: request the export again
    DownloadCutError            a download broke off: read it again

No message holds a key, a signed URL or a value of a record.
"""

from __future__ import annotations

from singer_kit.errors import FatalError, SettingError

__all__ = [
    "ApiRefusedError",
    "ApiUnavailableError",
    "DownloadCutError",
    "ExportBrokenError",
    "ExportFailedError",
    "ExportGoneError",
    "FatalError",
    "PersonalDataError",
    "SchemaDriftError",
    "SettingError",
    "StreamsFailedError",
    "UnknownFieldsError",
]

CONTACT_SUPPORT = "Contact CanAI support."
TRY_AGAIN = "Run again. If the problem persists, contact CanAI support."


class ApiRefusedError(FatalError):
    """The API refuses, and would refuse again."""


class UnknownFieldsError(ApiRefusedError):
    """The API does not know fields that were requested; `names` are theirs."""

    def __init__(self, message: str, hint: str, names: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.names = names


class ApiUnavailableError(FatalError):
    """The API cannot be reached, or fails for too long."""


class ExportBrokenError(FatalError):
    """A file is not what the API said it is."""


class ExportFailedError(FatalError):
    """The API could not create the export."""


class SchemaDriftError(FatalError):
    """A property has another type than the schema says."""


class PersonalDataError(FatalError):
    """An export that was requested anonymised contains personal data."""


class StreamsFailedError(FatalError):
    """Several streams failed; the others were read."""


class ExportGoneError(Exception):
    """The file or the export no longer exists; it has to be requested again."""


class DownloadCutError(Exception):
    """A download broke off; it has to be read again."""
