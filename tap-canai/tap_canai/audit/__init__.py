"""The audit log: who ran which export with which filter, when, and what came of it. Hash-chained, in a file or a table.

A row's `chain` is the SHA-256 of the row before's and of the row itself, so that no row can be changed, taken out or put
in unseen. User ids are salted hashes; the salt is in the log's first row. Rows are kept for 12 months; what is older gives
way to a checkpoint that carries the chain on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from tap_canai.audit.file import AuditFile
from tap_canai.audit.rows import Row


class AuditLog(Protocol):
    """Where rows are kept; several processes may write it."""

    def write(self, event: Row) -> None:
        """Append an event with its time, who, and chain; user ids among its filters are hashed. Raises: TapError."""

    def verify(self) -> int:
        """The number of rows, whose chain holds. Raises: TapError naming the first row that does not fit."""


def default_path(name: str = "tap-canai") -> Path:
    """Where the log lies: Meltano's folder for what a plugin leaves behind, else the working folder."""
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    return (
        Path(root) / ".meltano" / "run" / name / "audit.jsonl"
        if root
        else Path(f"audit-{name}.jsonl")
    )


def audit_log(given: str | None) -> AuditLog:
    """The log that the setting names: a file, or a database by its URL. Raises: SettingError."""
    if given and "://" in given:
        from tap_canai.audit.table import (
            AuditTable,  # SQLAlchemy takes a third of a second to import
        )

        return AuditTable.at(given)
    return AuditFile(Path(given) if given else default_path())


__all__ = ["AuditFile", "AuditLog", "audit_log", "default_path"]
