"""`plan`: what a run would do, as text, as JSON, as a page, and as a file that can be applied."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import click

from reverse_etl.dry_run.page import write_page
from reverse_etl.dry_run.plan import PLAN_FILE, text_of
from reverse_etl.dry_run.plan_file import PlanHead, write_plan
from reverse_etl.dry_run.plan_key import key_path, signing_key
from reverse_etl.errors import GuardError, SettingError
from reverse_etl.mapping.content import content_hash
from reverse_etl.singer.guarded_input import kept_input
from reverse_etl.singer.run_report import REPORT_FILE
from reverse_etl.singer.settings import ledger_url, report_dir
from reverse_etl.singer.target import CrmTarget

VALID_HOURS = 24.0
"""How long a plan may be applied, by default."""
ID_BYTES = 6
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class PlanOutput:
    """What becomes of a plan."""

    limit: int
    """Changes of an object to print; 0 for all."""
    as_json: bool = False
    out: Path | None = None
    """A file that can be applied."""
    page: Path | None = None
    """A page for people."""
    valid_hours: float = VALID_HOURS


def make_plan(plugin: CrmTarget, lines: IO[str] | None, output: PlanOutput) -> None:
    """Run dry, then give out the plan, also that of a run that a guard would end.

    Raises: FatalError, StoppedError.
    """
    dry_run = plugin.dry_run
    assert dry_run is not None
    tripped: GuardError | None = None
    try:
        check_folders(output)
        with input_of(plugin, lines, keep=output.out is not None) as messages:
            try:
                plugin.run(messages)
            except GuardError as error:  # the plan says which guard, so it is given out as well
                tripped = error
            give_out(plugin, messages, output)
    finally:
        dry_run.close()
    if tripped is not None:
        raise tripped


def check_folders(output: PlanOutput) -> None:
    """Raises: SettingError if a file could not be written at the end."""
    for path in (output.out, output.page):
        if path is not None and not path.parent.is_dir():
            raise SettingError(f"The folder of {path} does not exist.", "Create it, then plan.")


@contextmanager
def input_of(plugin: CrmTarget, lines: IO[str] | None, *, keep: bool) -> Iterator[IO[str] | None]:
    """The messages to plan, in a file of their own if they are read again. Raises: SettingError."""
    kept = kept_input(lines or sys.stdin, plugin.report_folder) if keep else nullcontext(lines)
    with kept as messages:
        yield messages


def give_out(plugin: CrmTarget, messages: IO[str] | None, output: PlanOutput) -> None:
    """Print the plan, and write its files. Raises: SettingError."""
    dry_run = plugin.dry_run
    assert dry_run is not None
    report = json.loads((plugin.report_folder / REPORT_FILE).read_text())
    head = head_of(plugin, report, output.valid_hours)
    if output.out is not None and messages is not None:
        check_complete(plugin, report)
        messages.seek(0)
        key = signing_key(plan_key_path(plugin))
        write_plan(output.out, head, dry_run.changes, messages, key)
    if output.page is not None:
        write_page(output.page, head, dry_run.changes)
    if output.as_json:
        click.echo((plugin.report_folder / PLAN_FILE).read_text(), nl=False)
        return
    for line in text_of(report, dry_run.changes, output.limit):
        click.echo(line)
    if output.out is not None:
        click.echo(f"plan {head.id} may be applied until {head.expires_at}:")
        click.echo(f"  {plugin.name} apply {output.out}")


def head_of(plugin: CrmTarget, report: dict[str, Any], valid_hours: float) -> PlanHead:
    """The head of a new plan."""
    now = datetime.now(UTC)
    ledger = plugin.engine.ledger if plugin.engine is not None else None
    records = {name: ledger.count(name) for name in report["objects"]} if ledger else {}
    return PlanHead(
        id=secrets.token_hex(ID_BYTES),
        target=plugin.name,
        account=report["account"],
        mapping=mapping_hash(plugin),
        made_at=now.strftime(MOMENT),
        expires_at=(now + timedelta(hours=valid_hours)).strftime(MOMENT),
        records=records,
        report=report,
    )


def check_complete(plugin: CrmTarget, report: dict[str, Any]) -> None:
    """Raises: SettingError if a plan cannot be applied, since it is not all of a run."""
    ended_early = report["exit_code"] != 0 and not plugin.trips
    if ended_early or plugin.control.spent:
        raise SettingError(
            f"The plan is not complete, so it cannot be applied: {report['message']}",
            "Remove the cause, then plan again.",
        )


def mapping_hash(plugin: CrmTarget) -> str:
    """A hash of all that the mapping says: rules and objects."""
    return content_hash([sorted(plugin.rules, key=lambda rule: rule.name), plugin.mapping.file])


def plan_key_path(plugin: CrmTarget) -> Path:
    """Where the key is that signs this target's plans. Raises: LedgerError."""
    config, name = plugin.config, plugin.name
    return key_path(ledger_url(config, name), report_dir(config, name))
