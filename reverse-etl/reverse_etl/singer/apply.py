"""`apply`: carry out an approved plan, and no more than that.

It is the run itself over the input that the plan was made of, with one check more: a write that is
not the approved one is left out. Another try after a kill settles the rest. There is no STATE: the
next run of the pipeline reads the same records, and finds what was applied unchanged.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from reverse_etl.dry_run.approval import Approval
from reverse_etl.dry_run.guards import PlanGuards, tripped
from reverse_etl.dry_run.plan_file import PlanHead, ReadPlan, read_plan
from reverse_etl.dry_run.plan_key import known_key
from reverse_etl.errors import SettingError
from reverse_etl.ledger import Ledger
from reverse_etl.singer.plan_making import mapping_hash, plan_key_path
from reverse_etl.singer.states import StateQueue
from reverse_etl.singer.target import CrmTarget

PLAN_AGAIN = "Make a new plan with `plan --out`."


@dataclass(slots=True)
class Apply:
    """One try to carry out a plan."""

    target: CrmTarget
    path: Path
    approved_by: str = ""

    def run(self) -> Approval | None:
        """Carry it out; returns what was refused. Raises: FatalError, StoppedError."""
        if self.target.dry_run is not None:
            self.target.dry_run.close()
            raise SettingError("dry_run is on, so nothing is applied.", "Turn dry_run off.")
        with tempfile.TemporaryFile(
            "w+", encoding="utf-8", errors="surrogateescape", newline="\n"
        ) as messages:
            plan = read_plan(self.path, known_key(plan_key_path(self.target)), messages)
            try:
                check_head(self.target, plan.head)
                messages.seek(0)
                self.target.states = StateQueue(is_open=False)
                self.target.run_with(lambda: self._apply(plan, messages))
            finally:
                plan.changes.close()
        return self.target.approval

    def _apply(self, plan: ReadPlan, messages: IO[str]) -> None:
        target, head = self.target, plan.head
        target.trips = PlanGuards.of(target.config).trips(head.report["objects"], head.records)
        if target.trips:
            raise tripped(target.trips, "See the plan")
        engine = target.open_account()
        if engine is None:
            return
        check_account(engine.ledger, head)
        fields = head.report["created_fields"]
        engine.settings = replace(engine.settings, approved_fields=fields)
        approval = Approval(
            engine.adapter, engine.ledger, engine.outcomes, plan.changes, head.id, self.approved_by
        )
        engine.planner.approve = approval.judged
        target.approval = approval
        note(engine.ledger, plan, self.approved_by)
        target.listen(messages)


def check_head(target: CrmTarget, head: PlanHead) -> None:
    """Raises: SettingError if a plan is not one for this target, or no longer."""
    if head.target != target.name:
        raise SettingError(f"The plan is one of {head.target}.", f"Use `{head.target} apply`.")
    if head.has_expired:
        raise SettingError(f"The plan expired at {head.expires_at}.", PLAN_AGAIN)
    if head.mapping != mapping_hash(target):
        raise SettingError("The mapping has changed since the plan was made.", PLAN_AGAIN)


def check_account(ledger: Ledger, head: PlanHead) -> None:
    """Raises: SettingError if the credentials lead to another account than the plan's."""
    if ledger.scope.account != head.account:
        raise SettingError(
            f"The plan is one for the account {head.account}, and the credentials belong to "
            f"{ledger.scope.account}.",
            "Use the credentials of that account, or make a new plan.",
        )


def note(ledger: Ledger, plan: ReadPlan, approved_by: str) -> None:
    """Have the ledger note who approved what."""
    event: dict[str, Any] = {
        "command": "apply",
        "plan": plan.head.id,
        "signature": plan.signature,
        "made_at": plan.head.made_at,
        "approved_by": approved_by,
    }
    with ledger.rows.writing() as connection:
        ledger.audit.record(connection, event)
