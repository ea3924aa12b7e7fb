"""The plan: what a dry run found, as text for people and as a file for programs."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from reverse_etl.dry_run.changes import Change, Changes
from reverse_etl.errors import SettingError
from reverse_etl.ledger.database import to_json

PLAN_FILE = "plan.json"
MINUTE_S, HOUR_S = 60, 3600
VALUE_CHARACTERS = 60
"""Of a value, in text."""


def save_plan(report: Mapping[str, Any], changes: Changes, folder: Path) -> Path:
    """Write the report and every change to `plan.json`, which only its owner can read.

    Raises: SettingError.
    """
    path = folder / PLAN_FILE
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".plan-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            write_json(report, changes, file)
        os.replace(name, path)
    except OSError as error:
        raise SettingError(
            f"The plan cannot be written to report_dir ({error.strerror}).",
            "Name a folder that can be written.",
        ) from None
    return path


def write_json(report: Mapping[str, Any], changes: Iterable[Change], file: IO[str]) -> None:
    """The plan as one JSON object, a change a line."""
    head = json.dumps(dict(report), indent=2)
    file.write(head.rstrip().removesuffix("}").rstrip() + ',\n  "changes": [')
    for number, change in enumerate(changes):
        file.write(("," if number else "") + "\n    " + to_json(change.report()))
    file.write("\n  ]\n}\n")


def text_of(report: Mapping[str, Any], changes: Iterable[Change], limit: int) -> Iterator[str]:
    """The plan in lines: counts, what would be created in the CRM, and `limit` changes an object.

    A limit of 0 shows them all.
    """
    for name, counts in report["objects"].items():
        yield f"{name}: {counts['planned']} planned: {numbers_of(counts)}"
        fields = report["created_fields"].get(name)
        if fields:
            yield f"  fields that would be created: {', '.join(fields)}"
    yield from changes_text(changes, limit)
    for trip in report["guards"]:
        yield f"guard {trip['guard']} would trip: {trip['text']}"
    links, calls = report["links"], report["calls"]
    yield f"links: {links['wanted']} wanted, {links['made']} would be made"
    yield f"calls: at least {calls['least']} for the run, {calls['made']} for this plan"
    yield f"time for the run's calls: {duration_text(calls)}"
    if report["message"]:
        yield f"the run would end: {report['message']}"


def numbers_of(counts: Mapping[str, Any]) -> str:
    """What would become of an object's writes."""
    names = {
        "created": "to create", "updated": "to update", "unchanged": "unchanged",
        "waiting": "to wait for a link", "rejected": "to be rejected",
        "not_attempted": "not attempted",
    }  # fmt: skip
    shown = [f"{counts[name]} {text}" for name, text in names.items() if counts[name]]
    shown += [f"{number} skipped ({why})" for why, number in counts["skipped"].items() if number]
    return ", ".join(shown) or "nothing to do"


def changes_text(changes: Iterable[Change], limit: int) -> Iterator[str]:
    """The changes, up to `limit` of each object."""
    shown: Counter[str] = Counter()
    for change in changes:
        shown[change.object] += 1
        if limit and shown[change.object] > limit:
            continue
        where = f" ({change.crm_id})" if change.kind == "update" else ""
        yield f"{change.kind} {change.object} {change.key}{where}"
        for name, (old, new) in change.fields.items():
            if change.kind == "update":
                yield f"  {name}: {value_text(old)} -> {value_text(new)}"
            else:
                yield f"  {name}: {value_text(new)}"
    for name, number in shown.items():
        if limit and number > limit:
            yield f"{number - limit} more changes of {name}; `--limit 0` shows them all"


def value_text(value: object) -> str:
    """A value in one line."""
    if value is None:
        return "(empty)"
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = "; ".join(value) if isinstance(value, tuple) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= VALUE_CHARACTERS else line[: VALUE_CHARACTERS - 1] + "…"


def duration_text(calls: Mapping[str, Any]) -> str:
    """How long the calls of a run take at the CRM's limit."""
    if not calls["per_second"]:
        return "the CRM sets no limit per second"
    seconds = calls["least"] / calls["per_second"]
    if seconds < 1:
        return "less than a second"
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h"
