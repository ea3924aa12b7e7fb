"""The run report: `latest.json` in `report_dir`, and one summary line."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from singer_kit.private_files import make_private_folder

from reverse_etl.crm.adapter import Account
from reverse_etl.crm.call_count import CallCount
from reverse_etl.dry_run.approval import Approval
from reverse_etl.dry_run.guards import Trip
from reverse_etl.errors import SettingError
from reverse_etl.ledger import DeadLetter, Reason
from reverse_etl.objects import ObjectSpec
from reverse_etl.pipeline.least_calls import least_calls
from reverse_etl.pipeline.mapping_changes import Lack
from reverse_etl.pipeline.outcomes import Outcomes

REPORT_FILE = "latest.json"
SUMMARY = ("created", "updated", "unchanged", "waiting", "rejected", "not_attempted")
"""Counts that the summary line shows, where they are not 0."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did. The shape of the report is fixed: scripts read it."""

    target: str
    exit_code: int | None
    """None while the run goes on."""
    message: str
    account: Account
    outcomes: Outcomes
    lacks: Sequence[Lack] = ()
    """What known records do not have of a changed mapping."""
    trips: Sequence[Trip] = ()
    """Guards that the plan goes beyond."""
    approval: Approval | None = None
    """What an approved plan allows, where one is applied."""

    def build(
        self,
        objects: Mapping[str, ObjectSpec],
        calls: CallCount | None = None,
        letters: Sequence[DeadLetter] = (),
        run_id: str = "",
        reasons: Sequence[Reason] = (),
    ) -> dict[str, Any]:
        """The report as data; `calls` is None if no account was opened."""
        return {
            "target": self.target,
            "run_id": run_id,
            "exit_code": self.exit_code,
            "message": self.message,
            "account": self.account.id,
            "received": self.outcomes.received_by_stream(),
            "activate_versions": dict(self.outcomes.activated),
            "objects": {name: count.report() for name, count in self.outcomes.objects.items()},
            "links": self.outcomes.link_report(),
            "attachments": self.outcomes.attachment_report(),
            "created_fields": self.outcomes.created_fields,
            "created_links": self.outcomes.created_links,
            "mapping_changes": [lack.report() for lack in self.lacks],
            "plan": self.approval.report() if self.approval is not None else None,
            "guards": [trip.report() for trip in self.trips],
            "calls": self._calls(objects, calls or CallCount()),
            "opened_letters": [asdict(reason) for reason in reasons],
            "dead_letters": [
                {
                    "key": letter.key,
                    "rule": letter.rule,
                    "stage": letter.stage,
                    "code": letter.code,
                    "hint": letter.hint,
                    "message": letter.message,
                    "times": letter.times,
                }
                for letter in letters
            ],
        }

    def _calls(self, objects: Mapping[str, ObjectSpec], calls: CallCount) -> dict[str, Any]:
        """Calls made beside the least possible, by object; those for setting up apart."""
        by_object: dict[str, dict[str, int]] = {}
        for name, count in self.outcomes.objects.items():
            made = sum(number for (of, _), number in calls.by_purpose.items() if of == name)
            known = objects.get(name)  # not that of a mapping whose account was never opened
            least = least_calls(known, count.work) if known is not None else 0
            by_object[name] = {"made": made, "least": least}
        return {
            "made": sum(numbers["made"] for numbers in by_object.values()),
            "least": sum(numbers["least"] for numbers in by_object.values()),
            "setup": sum(number for (of, _), number in calls.by_purpose.items() if not of),
            "planning": calls.planning,
            "per_second": calls.limits.per_s,
            "cost": calls.cost,
            "objects": by_object,
        }

    @staticmethod
    def save(report: Mapping[str, Any], folder: Path) -> Path:
        """Write `latest.json` that only its owner can read, whole or not at all.

        Raises: SettingError.
        """
        path = folder / REPORT_FILE
        try:
            make_private_folder(folder)
            handle, name = tempfile.mkstemp(dir=folder, prefix=".report-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=2)
                file.write("\n")
            os.replace(name, path)
        except OSError as error:
            raise SettingError(
                f"The report cannot be written to report_dir ({error.strerror}).",
                "Name a folder that can be written.",
            ) from None
        return path

    @staticmethod
    def summary(report: Mapping[str, Any]) -> str:
        """One line for the log."""
        objects = "; ".join(
            f"{name} {counts['planned']} planned: {counts_text(counts)}"
            for name, counts in report["objects"].items()
        )
        calls = report["calls"]
        made = f"{calls['made']} calls (least {calls['least']})"
        return f"{objects or 'no records'}; {made}; exit code {report['exit_code']}"


def counts_text(counts: Mapping[str, Any]) -> str:
    """The counts of an object that are not 0."""
    numbers = {name: counts[name] for name in SUMMARY}
    numbers["skipped"] = sum(counts["skipped"].values())
    shown = [f"{number} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    return ", ".join(shown) or "nothing to do"


def save_running(target: str, folder: Path) -> None:
    """Replace the report of an earlier run by one that says that a run goes on.

    Raises: SettingError.
    """
    running = RunReport(target, None, "running", Account(""), Outcomes())
    running.save(running.build({}), folder)
