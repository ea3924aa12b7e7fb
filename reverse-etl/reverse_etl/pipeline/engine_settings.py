"""What a user may set of the engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from reverse_etl.ledger import Ledger, LetterChoice
from reverse_etl.pipeline.guard import DEFAULT_LIMIT, Limit

OnMissing = Literal["leave", "follow", "recreate"]
"""What to do about a record that was deleted or merged in the CRM: leave it alone; continue with
the record that carries its key now; or the same, and create it again if there is none."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What a user may set of the engine."""

    provision: bool = False
    force: bool = False
    max_concurrency: int = 1
    link_wait_days: float = 7
    attach: bool = False
    merge_duplicates: bool = False
    regress: bool = False
    """True if `forward_only` fields may go back."""
    allow_private_hosts: bool = False
    add_options: bool = False
    """True if values that come up are added to choice fields of the CRM."""
    max_rejected: Limit = DEFAULT_LIMIT
    """How many writes may be rejected before the run ends: a number, or a share as `5%`."""
    on_missing: OnMissing = "follow"
    verify_days: float = 7
    """Days after which an unchanged record is looked up in the CRM."""
    gather: bool = True
    """False if the user has set the size of a block: its writes then go out with it."""
    erase_deleted: bool = False
    """True if people that the source has deleted are erased."""
    max_erasures: int = 10
    """How many people a run may erase."""
    clean_files: Callable[[Ledger], int] = lambda ledger: 0
    """Takes what an erasure leaves out of the files of reports and plans; returns how many."""
    approved_fields: Mapping[str, Collection[str]] | None = None
    """By object: the fields that an approved plan creates, and no others; None for any."""
    replays: LetterChoice | None = None
    """The dead letters to try whatever their cause, and no others; None tries those whose cause may
    be gone."""
