"""What a fault does to the rows of the call that it strikes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sandbox.salesforce.errors import RowError


@dataclass(slots=True)
class RowFaults:
    """What the fault that strikes the present call does to its rows."""

    locked: bool = False
    """True if rows that share a parent lock each other out."""
    job_rows: int | None = None
    """Rows after which a bulk job fails."""
    unreadable: frozenset[int] = frozenset()
    """Places of rows in a bulk job of which a cell cannot be read."""
    refusal: RowError | None = None
    """Why every row is refused."""

    def become(self, other: RowFaults) -> None:
        """Take over another's; all orgs share this object."""
        for known in fields(self):
            setattr(self, known.name, getattr(other, known.name))
