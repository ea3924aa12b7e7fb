"""The run report: `latest.json` in `report_dir`, and one summary line."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverse_etl.crm.adapter import Account, CallCount
from reverse_etl.ledger import DeadLetter
from reverse_etl.objects import ObjectSpec
from reverse_etl.pipeline.outcomes import Tally


def build(
    *,
    target: str,
    run_id: str,
    exit_code: int,
    account: Account,
    objects: Mapping[str, ObjectSpec],
    calls: CallCount,
    tally: Tally,
    letters: Sequence[DeadLetter],
    message: str,
) -> dict[str, Any]:
    """The report as data; its shape is fixed by SPEC section 10."""
    per_object = {}
    for name, one in tally.objects.items():
        made = sum(count for (of, _), count in calls.by_purpose.items() if of == name)
        per_object[name] = {"made": made, "least": one.least_calls(objects[name])}
    setup = sum(count for (of, _), count in calls.by_purpose.items() if not of)
    return {
        "target": target,
        "run_id": run_id,
        "exit_code": exit_code,
        "message": message,
        "account": account.id,
        "received": dict(tally.received),
        "objects": {name: one.report() for name, one in tally.objects.items()},
        "links": tally.link_report(),
        "attachments": tally.attachment_report(),
        "calls": {
            "made": sum(one["made"] for one in per_object.values()),
            "least": sum(one["least"] for one in per_object.values()),
            "setup": setup,
            "cost": calls.cost,
            "objects": per_object,
        },
        "dead_letters": [
            {
                "key": one.key,
                "rule": one.rule,
                "stage": one.stage,
                "code": one.code,
                "hint": one.hint,
                "message": one.message,
            }
            for one in letters
        ],
    }


def save(report: Mapping[str, Any], folder: Path) -> Path:
    """Write `latest.json` for its owner alone, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".report-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    path = folder / "latest.json"
    os.replace(name, path)
    return path


def summary(report: Mapping[str, Any]) -> str:
    """One line for the log."""
    parts = []
    for name, one in report["objects"].items():
        counts = {
            key: one[key]
            for key in ("created", "updated", "unchanged", "waiting", "dead", "not_attempted")
        }
        counts["skipped"] = sum(one["skipped"].values())
        told = (
            ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items() if value)
            or "nothing to do"
        )
        parts.append(f"{name} {one['planned']} planned: {told}")
    calls = report["calls"]
    told = "; ".join(parts) or "no records"
    return (
        f"{told}; {calls['made']} calls (least {calls['least']}); exit code {report['exit_code']}"
    )
