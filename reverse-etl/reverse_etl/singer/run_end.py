"""The end of a run, whatever it is: its report, its row in the ledger, and its last log lines."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reverse_etl.crm.adapter import Adapter
from reverse_etl.dry_run.plan import save_plan
from reverse_etl.dry_run.run import DryRun
from reverse_etl.errors import LedgerError
from reverse_etl.ledger import Ledger, Reason
from reverse_etl.objects import ObjectSpec
from reverse_etl.pipeline.engine import Engine
from reverse_etl.singer.alerts import Alerts
from reverse_etl.singer.run_report import RunReport


@dataclass(slots=True)
class RunEnd:
    """Closes one run."""

    report: RunReport
    folder: Path
    """Where the report goes."""
    objects: Mapping[str, ObjectSpec]
    """What the target ships; a run that opened its account has the mapping's beside them."""
    dry_run: DryRun | None = None
    """Has the changes that a dry run planned."""
    alerts: Alerts | None = None
    """Who is notified of the end; nobody after a dry run."""

    def close(self, engine: Engine | None) -> None:
        """Write what the run did; `engine` is None if the account was never opened.

        The report is written even if the ledger can no longer be used.

        Raises: SettingError; LedgerError, which makes a run that went well one that failed.
        """
        reasons: Sequence[Reason] = ()
        failure: LedgerError | None = None
        if engine is None:
            built = self.save()
        else:
            warn_of_unknown_day(engine.adapter)
            engine.abandon()
            with engine.ledger as ledger:
                try:
                    reasons = ledger.letters.reasons()
                    built = self._close_ledger(engine, ledger, reasons)
                except LedgerError as error:
                    with suppress(LedgerError):
                        ledger.claims.end()
                    failure = error if self.report.exit_code == 0 else None
                    built = self._save_failed(engine, error)
        self._log(built, reasons)
        if self.alerts is not None and self.dry_run is None:
            self.alerts.after(built)
        if failure is not None:
            raise failure

    def cut_short(self, engine: Engine | None) -> None:
        """Write the report of a run whose calls in flight are still unanswered.

        It is written beside the thread that waits for them, so the ledger is left alone.
        """
        if engine is not None:
            outcomes = copy.deepcopy(self.report.outcomes)
            outcomes.abandon()
            self.report = replace(self.report, outcomes=outcomes)
        self._log(self.save(engine), ())

    def save(self, engine: Engine | None = None) -> dict[str, Any]:
        """Write the report without what the ledger knows; returns it."""
        objects = self.objects if engine is None else engine.adapter.objects
        calls = None if engine is None else engine.adapter.calls
        run_id = "" if engine is None else engine.ledger.scope.run_id
        built = self.report.build(objects, calls, run_id=run_id)
        self._write(built)
        return built

    def _write(self, built: Mapping[str, Any]) -> None:
        """Write the report, and the plan of a dry run beside it. Raises: SettingError."""
        self.report.save(built, self.folder)
        if self.dry_run is not None:
            path = save_plan(built, self.dry_run.changes, self.folder)
            logging.getLogger(self.report.target).info("nothing was written; plan: %s", path)

    def _close_ledger(
        self, engine: Engine, ledger: Ledger, reasons: Sequence[Reason]
    ) -> dict[str, Any]:
        """Write the report, then the run's row. Raises: LedgerError, SettingError."""
        letters, run_id = ledger.letters.open(), ledger.scope.run_id
        adapter, report = engine.adapter, self.report
        built = report.build(adapter.objects, adapter.calls, letters, run_id, reasons)
        self._write(built)
        ledger.end_run(int(report.exit_code or 0), built, report.outcomes.rows())
        self._warn_of_masked(ledger)
        return built

    def _warn_of_masked(self, ledger: Ledger) -> None:
        """Say how many records wait that no later run can send by itself. Raises: LedgerError."""
        masked = ledger.waiting.whole_and_masked() if ledger.values is not None else 0
        if masked:
            logging.getLogger(self.report.target).warning(
                "%d records wait without their values (mask_dead_letters): they go out "
                "when they come again after the records that they link to",
                masked,
            )

    def _save_failed(self, engine: Engine, error: LedgerError) -> dict[str, Any]:
        """Write the report of a run whose ledger failed, at the latest at its end."""
        if self.report.exit_code == 0:
            self.report = replace(self.report, exit_code=error.exit_code, message=str(error))
        return self.save(engine)

    def _log(self, built: Mapping[str, Any], reasons: Sequence[Reason]) -> None:
        """Say how many dead letters the run opened, and why; then what it did, in a line."""
        logger = logging.getLogger(self.report.target)
        if reasons:
            logger.warning(
                "%d dead letters were opened: %s. `%s dead-letters list` says what to do.",
                sum(reason.letters for reason in reasons),
                ", ".join(map(str, reasons)),
                self.report.target,
            )
        logger.info("%s: %s", self.report.target, self.report.summary(built))


def warn_of_unknown_day(adapter: Adapter) -> None:
    """Say that calls could not be kept free, since the CRM did not say how many are left."""
    if adapter.calls.reserve is not None and not adapter.calls.knows_day:
        logging.getLogger(__name__).warning(
            "keep_calls_free had no effect: the CRM's answers do not say how many calls of the day "
            "are left"
        )
