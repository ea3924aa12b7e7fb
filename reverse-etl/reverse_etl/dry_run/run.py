"""What a dry run needs beside the stages, and its end: the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from reverse_etl.crm.adapter import Adapter
from reverse_etl.dry_run.adapter import DryAdapter
from reverse_etl.dry_run.changes import Changes
from reverse_etl.dry_run.ledger_copy import copied_ledger
from reverse_etl.ledger import Ledger, Scope


@dataclass(slots=True)
class DryRun:
    """The parts of a run that are exchanged; close it once the plan has been read."""

    changes: Changes = field(default_factory=Changes)
    _folder: TemporaryDirectory[str] = field(
        default_factory=lambda: TemporaryDirectory(prefix="dry-run-")
    )

    def adapter(self, adapter: Adapter) -> Adapter:
        """An adapter that writes nothing."""
        return DryAdapter(adapter, self.changes)

    def ledger(self, url: str, scope: Scope, *, masks_letters: bool) -> Ledger:
        """A copy of the ledger. Raises: LedgerError."""
        copy = copied_ledger(url, scope, Path(self._folder.name))
        return Ledger(copy, scope, masks_letters=masks_letters)

    def close(self) -> None:
        """Remove the copy, and forget the changes."""
        self.changes.close()
        self._folder.cleanup()
