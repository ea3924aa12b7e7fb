"""The stages of one run, each made when it is first needed. `engine` joins them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.download import Fetcher
from reverse_etl.ledger import Ledger
from reverse_etl.mapping.rules import Rule
from reverse_etl.pipeline.attachments import Attacher
from reverse_etl.pipeline.conflicts import Conflicts
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.duplicates import Duplicates
from reverse_etl.pipeline.engine_settings import EngineSettings
from reverse_etl.pipeline.erased import ErasedPeople
from reverse_etl.pipeline.guard import Guard
from reverse_etl.pipeline.internal_errors import InternalErrors
from reverse_etl.pipeline.letter_retries import LetterRetries
from reverse_etl.pipeline.links import Linker
from reverse_etl.pipeline.options import Options
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.parents import Parents
from reverse_etl.pipeline.plan import Planner
from reverse_etl.pipeline.provisioning import Provisioning
from reverse_etl.pipeline.put_off import PutOff
from reverse_etl.pipeline.receive import Receiver
from reverse_etl.pipeline.refusals import Refusals
from reverse_etl.pipeline.restored import Restored
from reverse_etl.pipeline.send import Sender
from reverse_etl.pipeline.settle import Settler
from reverse_etl.pipeline.unchanged import Unchanged
from reverse_etl.pipeline.verify import Verifier
from reverse_etl.pipeline.waiting import WaitingRoom


class Stages:
    """The stages, made from what a run has."""

    adapter: Adapter
    ledger: Ledger
    settings: EngineSettings
    outcomes: Outcomes
    control: RunControl
    receivers: dict[str, Receiver]
    rules: Sequence[Rule]

    @cached_property
    def erased(self) -> ErasedPeople:
        """Keeps the erased out, and erases people that the source has deleted."""
        chosen = self.settings
        return ErasedPeople(
            self.adapter, self.ledger, self.rules, chosen.erase_deleted, chosen.max_erasures,
            chosen.clean_files,
        )  # fmt: skip

    @cached_property
    def provisioning(self) -> Provisioning:
        """Creates what is missing in the CRM, where the user wants it."""
        return Provisioning(
            self.adapter, self.ledger, self.control, self.outcomes,
            self.settings.provision, self.settings.approved_fields,
        )  # fmt: skip

    @cached_property
    def options(self) -> Options:
        """Adds options that are missing in the CRM, where the user wants it."""
        choosing = self.adapter.choosing if self.settings.add_options else None
        return Options(choosing, self.outcomes, self.control)

    @cached_property
    def unchanged(self) -> Unchanged:
        """Ends the records that the CRM is known to hold as they are."""
        return Unchanged(
            self.ledger, self.settler, self.outcomes, self.verifier,
            self.settings.force, self.settings.attach,
        )  # fmt: skip

    @cached_property
    def verifier(self) -> Verifier:
        """Looks unchanged records up in the CRM, from time to time."""
        days = self.settings.verify_days
        return Verifier(self.adapter, self.ledger, self.outcomes, self.control, days)

    @cached_property
    def planner(self) -> Planner:
        """Stage 4."""
        return Planner(
            self.adapter, self.ledger, self.outcomes, self.control, self.parents,
            self.verifier, force=self.settings.force, regress=self.settings.regress,
            on_missing=self.settings.on_missing,
        )  # fmt: skip

    @cached_property
    def sender(self) -> Sender:
        """Stage 6."""
        concurrency = self.settings.max_concurrency
        return Sender(
            self.adapter, self.control, concurrency,
            doubt=self.duplicates.note, refusals=self.refusals,
        )  # fmt: skip

    @cached_property
    def settler(self) -> Settler:
        """Stage 7."""
        leaves = self.settings.on_missing == "leave"
        return Settler(
            self.ledger, self.outcomes, self.put_off, self.refusals, self.guard,
            plan_again=None if leaves else self.planner.put_off,
        )  # fmt: skip

    @cached_property
    def conflicts(self) -> Conflicts:
        """Stage 6: values that only one record may hold, and that move between records."""
        return Conflicts(self.ledger, self.outcomes, self.sender, self.settler)

    @cached_property
    def refusals(self) -> Refusals:
        """Rows that the CRM refuses before it has taken one of their rule."""
        return Refusals(self.ledger.letters.open_keys)

    @cached_property
    def internal(self) -> InternalErrors:
        """Errors of ours in a row: many end the run."""
        return InternalErrors(self.ledger.letters.open_keys)

    @cached_property
    def guard(self) -> Guard:
        """Ends the run when too much is rejected. Raises: SettingError."""
        return Guard(self.settings.max_rejected, self.outcomes, self.control, self.ledger)

    @cached_property
    def put_off(self) -> PutOff:
        """What newer outcomes end: waiting rows and dead letters."""
        return PutOff(self.ledger, self.outcomes)

    @cached_property
    def linker(self) -> Linker:
        """Stage 7: links that are calls of their own."""
        return Linker(self.adapter, self.ledger, self.outcomes, self.control, self.parents)

    @cached_property
    def parents(self) -> Parents:
        """The other ends of links."""
        return Parents(self.adapter, self.ledger, self.outcomes)

    @cached_property
    def attacher(self) -> Attacher | None:
        """Stage 7: files; None if none are wanted, or the CRM takes none."""
        if not self.settings.attach or self.adapter.files is None:
            return None
        fetcher = Fetcher(self.settings.allow_private_hosts, sleep=self.control.sleep)
        return Attacher(
            self.adapter.files, self.ledger, self.outcomes, self.control, fetcher,
            InternalErrors(self.ledger.letters.open_keys), self.settings.max_concurrency,
        )  # fmt: skip

    @cached_property
    def waiting(self) -> WaitingRoom:
        """What waits for the other end of a link."""
        days = self.settings.link_wait_days
        return WaitingRoom(
            self.ledger, self.linker, self.outcomes, self.parents, self.put_off, days
        )

    @cached_property
    def letter_retries(self) -> LetterRetries:
        """Dead letters that are worth another try."""
        return LetterRetries(
            self.adapter, self.ledger, self.outcomes, self.parents, self.options,
            Restored(self.adapter, self.ledger, self.outcomes, self.settings.on_missing),
            self.settings.replays, self.receivers,
        )  # fmt: skip

    @cached_property
    def duplicates(self) -> Duplicates:
        """Creates that were sent twice."""
        return Duplicates(self.adapter, self.ledger, self.settings.merge_duplicates)
