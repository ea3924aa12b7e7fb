"""Errors, by what can be done about them.

    FatalError                 the run ends, exit code 1, and you need to act
      SettingError             a setting is missing or not valid
      MappingError             a rule is wrong; names the file and the line
      CrmError                 the CRM refuses the whole call, or cannot be reached
        NoSuchObjectError      the account does not have the object
        NoSuchLinkError        the CRM has no such link between two objects
        BudgetSpentError       no calls are left: nothing more is written in this run
        RuleRefusedError       the CRM takes none of a rule's first rows
      GuardError               a guard that you set has tripped; exit code 3
      LedgerError              the ledger cannot be used
      LawBrokenError           a planned write without an outcome, or with two: a bug here
    ReverseEtlError            what the pipeline handles itself
      RowError                 why a rule or a CRM does not take one row
        NotRepresentableError  a value that the CRM field cannot hold
        GoneError              the record to update was deleted or merged in the CRM
        TakenError             another record holds the value of a unique field
      BatchRejectedError       a whole batch was refused; rows may be named
      AmbiguousAnswerError     a write may or may not have happened: look before sending it again
      AwaitedError             a record without its key, which another stream will bring
      StoppedError             a signal asked the run to end

A message says what happened, to which record, and what to do. It never holds a secret or a value of
a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from singer_kit.errors import FatalError, SettingError
from singer_kit.unexpected import described

__all__ = [
    "AmbiguousAnswerError",
    "AwaitedError",
    "BatchRejectedError",
    "BudgetSpentError",
    "CrmError",
    "FatalError",
    "GoneError",
    "GuardError",
    "LawBrokenError",
    "LedgerError",
    "MappingError",
    "NoSuchLinkError",
    "NoSuchObjectError",
    "NotRepresentableError",
    "ReverseEtlError",
    "RowError",
    "RuleRefusedError",
    "SettingError",
    "StoppedError",
    "TakenError",
    "internal_error",
]


GONE_HINT = (
    "restore it in the CRM; or set `on_missing: recreate` to create it again, "
    "or `on_missing: follow` to continue with the record it was merged into"
)


class MappingError(FatalError):
    """A rule of the mapping is wrong."""

    def __init__(
        self, message: str, *, file: str = "", line: int | None = None, hint: str = ""
    ) -> None:
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(f"{place}{message}", hint)
        self.file, self.line = file, line


class CrmError(FatalError):
    """The CRM refuses the whole call, or cannot be reached."""


def redirected(name: str, place: str) -> CrmError:
    """The error for a redirect, after which no credentials are sent."""
    return CrmError(
        f"{name} redirects to {place}, and redirects are not followed.",
        "If you trust that address, set the URL setting to it.",
    )


class NoSuchObjectError(CrmError):
    """The account does not have the object."""


class NoSuchLinkError(CrmError):
    """The CRM has no such link between two objects."""


class BudgetSpentError(CrmError):
    """The calls that the CRM, or the user, allows are used up."""


class RuleRefusedError(CrmError):
    """The CRM takes none of a rule's first rows: the cause is not in the rows."""


class GuardError(FatalError):
    """A guard that you set has tripped."""

    exit_code: ClassVar[int] = 3


class LedgerError(FatalError):
    """The ledger cannot be used."""


class LawBrokenError(FatalError):
    """A planned write has no outcome, or two: a bug in this package."""


class ReverseEtlError(Exception):
    """The root of the errors that the pipeline handles itself."""


class RowError(ReverseEtlError):
    """Why a rule or a CRM does not take one row; `fields` are the CRM fields at fault, if known."""

    def __init__(self, code: str, message: str, hint: str = "", fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.fields = tuple(fields)


def internal_error(error: Exception) -> RowError:
    """An error of ours, met at one record: its class and place, not its text."""
    place = described(error, ("reverse_etl", "singer_kit"))
    return RowError("internal", f"an unexpected error: {place}", "please report this")


class NotRepresentableError(RowError):
    """A value that the CRM field cannot hold."""


class GoneError(RowError):
    """The record to update is no longer in the CRM: it was deleted, or merged into another."""

    def __init__(self, message: str) -> None:
        super().__init__("gone", message, GONE_HINT)


class TakenError(RowError):
    """Another record holds the value of a unique field; `fields` are which, if the CRM says so."""

    def __init__(self, message: str, hint: str, fields: Sequence[str] = ()) -> None:
        super().__init__("identity_conflict", message, hint, fields)


class BatchRejectedError(ReverseEtlError):
    """A whole batch was refused and nothing of it was written.

    `named` are the rows that the answer blames, by position.
    """

    def __init__(self, fault: RowError, named: Mapping[int, RowError] | None = None) -> None:
        super().__init__(fault.message)
        self.fault, self.named = fault, dict(named or {})


class AmbiguousAnswerError(ReverseEtlError):
    """A write that may or may not have happened."""


class AwaitedError(ReverseEtlError):
    """A record without its key, which another stream will bring."""


class StoppedError(ReverseEtlError):
    """A signal asked the run to end; `signal_number` is which."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
