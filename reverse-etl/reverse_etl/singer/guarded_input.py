"""A run with a guard on creates or updates: its input is kept until its plan has been judged.

The plan is that of a dry run over the same input. A plan that goes beyond a guard ends the run
before its first write; it stays in the report folder, for people to look at.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from singer_kit.private_files import make_private_folder

from reverse_etl.dry_run.guards import PlanGuards, Trip, tripped
from reverse_etl.dry_run.plan import PLAN_FILE
from reverse_etl.dry_run.run import DryRun
from reverse_etl.errors import FatalError, SettingError
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.engine import Engine
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.singer.grace import Grace


class GuardedTarget(Protocol):
    """What is needed of a target."""

    control: RunControl
    grace: Grace
    outcomes: Outcomes
    engine: Engine | None
    dry_run: DryRun | None
    trips: list[Trip]
    planning_calls: int

    def __init__(self, *, config: Mapping[str, Any]) -> None: ...

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings."""

    @property
    def report_folder(self) -> Path:
        """Where the reports go."""

    def listen(self, file_input: IO[str] | None = None) -> None:
        """Deliver messages. Raises: FatalError, StoppedError."""

    def run(self, file_input: IO[str] | None = None) -> None:
        """A run over messages. Raises: FatalError, StoppedError."""


def listen_within_guards(target: GuardedTarget, lines: IO[str] | None) -> None:
    """Deliver messages, if their plan is within the guards. Raises: FatalError, StoppedError."""
    guards = PlanGuards.of(target.config)
    if target.dry_run is not None:
        target.listen(lines)
        judge(target, guards)
    elif not guards:
        target.listen(lines)
    else:
        with kept_input(lines or sys.stdin, target.report_folder) as kept:
            judge_plan(target, lambda planned: planned.run(kept))
            kept.seek(0)
            target.listen(kept)


def judge(target: GuardedTarget, guards: PlanGuards) -> None:
    """Judge what a dry run has planned. Raises: GuardError."""
    engine = target.engine
    if engine is None:
        return
    objects = {name: count.report() for name, count in target.outcomes.objects.items()}
    records = {name: engine.ledger.count(name) for name in objects}
    target.trips = guards.trips(objects, records)
    if target.trips:
        raise tripped(target.trips, f"See {target.report_folder / PLAN_FILE}")


def judge_plan(target: GuardedTarget, plan: Callable[[Any], None]) -> None:
    """Plan a run by a dry run of the same target, and judge the plan.

    Raises: FatalError, StoppedError.
    """
    planned = type(target)(config={**target.config, "dry_run": True})
    # a signal, a spent budget and a guard meanwhile are the run's
    planned.control, planned.grace = target.control, target.grace
    try:
        plan(planned)
    except FatalError:
        target.trips = planned.trips
        leave_out(target.outcomes, planned.outcomes)
        raise
    finally:
        if not target.trips:  # else people look at it; it holds personal data
            (planned.report_folder / PLAN_FILE).unlink(missing_ok=True)
        target.control.busy = False
        if planned.engine is not None:
            target.planning_calls = planned.engine.adapter.calls.total
        if planned.dry_run is not None:
            planned.dry_run.close()


def leave_out(outcomes: Outcomes, planned: Outcomes) -> None:
    """Count what was planned as not attempted."""
    for name, count in planned.objects.items():
        outcomes.never(name, "not_attempted", count.wanted)


@contextmanager
def kept_input(lines: Iterable[str], folder: Path) -> Iterator[IO[str]]:
    """A copy of the input in a file without a name, which ends with the run. Raises: SettingError.

    It holds personal data, so nobody else can open it, and a kill leaves nothing behind.
    """
    with ExitStack() as stack:
        try:
            make_private_folder(folder)
            kept = stack.enter_context(
                tempfile.TemporaryFile(
                    "w+", dir=folder, encoding="utf-8", errors="surrogateescape", newline="\n"
                )
            )
            kept.writelines(lines)
            kept.seek(0)
        except OSError as error:
            raise SettingError(
                f"The input cannot be kept in report_dir ({error.strerror}).",
                "Free space, or name a folder that can be written.",
            ) from None
        yield kept
