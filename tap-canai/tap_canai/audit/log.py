"""The audit log that a setting names: a file, or a table of a database."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from singer_kit.settings import run_folder

from tap_canai.audit.file import AuditFile
from tap_canai.audit.rows import Row


class AuditLog(Protocol):
    """Where rows are kept; several processes may write it. Close it after use."""

    def write(self, event: Row) -> None:
        """Append an event with its time, who made it, and its chain. Raises: FatalError.

        User ids among its filters are hashed.
        """

    def verify(self) -> int:
        """The number of rows, if their chain holds.

        Raises: FatalError that names the first row that does not fit.
        """
        ...

    def close(self) -> None:
        """Close the database or file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def default_path(name: str = "tap-canai") -> Path:
    """The default file: in Meltano's run folder, outside Meltano in the working folder."""
    folder = run_folder(name)
    return folder / "audit.jsonl" if folder else Path(f"audit-{name}.jsonl")


def open_audit_log(place: str) -> AuditLog:
    """The log at a database URL or a path; empty for the default file. Raises: SettingError."""
    if "://" in place:
        from tap_canai.audit.table import AuditTable  # SQLAlchemy is slow to load

        return AuditTable.at(place)
    return AuditFile(Path(place) if place else default_path())
