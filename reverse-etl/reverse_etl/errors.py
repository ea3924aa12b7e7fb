"""Errors by what can be done about them.

    ReverseEtlError
      FatalError            the run ends, exit code 1: somebody has to act
        SettingError        a setting is missing or makes no sense
        MappingError        a rule is wrong; knows file and line
        CrmError            the CRM refuses for a cause that is not a row's, or cannot be reached
          NoSuchObjectError      the account has no such object
          BudgetSpentError       the day's calls are used up: nothing more is written in this run
        LedgerError         the ledger cannot be used
      AmbiguousAnswerError       a write may or may not have happened; look it up before sending it again
      BatchRejectedError         a definite refusal of a whole batch; rows may be named
      NotRepresentableError      a value that a CRM field cannot hold: the row's own fault
      AwaitedError               a record without its key, which another stream will bring
      StoppedError               a signal asked the run to end

A message says what happened, to which record, and what to do; it never holds a value of a record or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from singer_sdk.exceptions import FatalAPIError


class ReverseEtlError(Exception):
    """The root of this package's errors."""


class FatalError(ReverseEtlError, FatalAPIError):
    """The run ends; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.hint = hint


class SettingError(FatalError):
    """A setting is missing or makes no sense."""


class MappingError(FatalError):
    """A rule of the mapping is wrong."""

    def __init__(
        self, message: str, *, file: str = "", line: int | None = None, hint: str = ""
    ) -> None:
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(f"{place}{message}", hint)
        self.file, self.line = file, line


class CrmError(FatalError):
    """The CRM refuses for a cause that is not a row's, or cannot be reached."""


class NoSuchObjectError(CrmError):
    """The account has no such object."""


class BudgetSpentError(CrmError):
    """The calls that the CRM, or the user, allows are used up."""


class LedgerError(FatalError):
    """The ledger cannot be used."""


class AmbiguousAnswerError(ReverseEtlError):
    """A write that may or may not have happened."""


class AwaitedError(ReverseEtlError):
    """A record without its key, which another stream will bring."""


class RowError(ReverseEtlError):
    """Why a CRM, or a rule, does not take one row."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


class BatchRejectedError(ReverseEtlError):
    """A whole batch was refused and nothing of it written; `named` are the rows the answer blames, by position."""

    def __init__(self, fault: RowError, named: Mapping[int, RowError] | None = None) -> None:
        super().__init__(fault.message)
        self.fault, self.named = fault, dict(named or {})


class NotRepresentableError(RowError):
    """A value that the CRM field cannot hold."""


class StoppedError(ReverseEtlError):
    """A signal asked the run to end; `signal_number` is which."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
