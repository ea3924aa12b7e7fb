"""The commands `plan` and `apply`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import click
from singer_kit.command_line import config_option

from reverse_etl.dry_run.approval import Approval
from reverse_etl.singer.apply import Apply
from reverse_etl.singer.configured import validated
from reverse_etl.singer.plan_making import VALID_HOURS, PlanOutput, make_plan
from reverse_etl.singer.target import CrmTarget

PLAN_LIMIT = 10
MOST_HOURS = 8760
"""A year: an older plan has little to do with the CRM of today."""
REFUSED_LIMIT = 20
"""Refused writes to print; the report names more."""


def a_number(_context: click.Context, _option: click.Parameter, hours: float) -> float:
    """Hours that can be compared; not-a-number passes every range. Raises: BadParameter."""
    if math.isnan(hours):
        raise click.BadParameter("it is not a number.")
    return hours


def plan_command(target: type[CrmTarget]) -> click.Command:
    """The command `plan` of a target."""

    @click.command("plan")
    @click.option(
        "--input", "lines", type=click.File(), help="File of Singer messages; else stdin."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the whole plan as JSON.")
    @click.option(
        "--limit",
        default=PLAN_LIMIT,
        show_default=True,
        help="Changes to show of an object; 0: all.",
    )
    @click.option(
        "--out", type=click.Path(path_type=Path), help="File for a plan that `apply` carries out."
    )
    @click.option(
        "--html", "page", type=click.Path(path_type=Path), help="File for a page for people."
    )
    @click.option(
        "--valid-hours",
        type=click.FloatRange(min=0, min_open=True, max=MOST_HOURS),
        callback=a_number,
        default=VALID_HOURS,
        show_default=True,
        help="Hours in which the plan may be applied.",
    )
    @config_option
    def plan(
        *,
        lines: IO[str] | None,
        as_json: bool,
        limit: int,
        out: Path | None,
        page: Path | None,
        valid_hours: float,
        config_files: Sequence[str],
    ) -> None:
        """Ask the CRM, write nothing, and print what a run would do.

        The plan is also kept as dry-run/plan.json in report_dir. The files hold personal data: only
        their owner can read them, and they replace those that exist.
        """
        if out is not None and page is not None and out.resolve() == page.resolve():
            raise click.BadParameter("--out and --html name the same file.")
        output = PlanOutput(limit, as_json, out, page, valid_hours)
        make_plan(validated(target, config_files, dry_run=True), lines, output)

    return plan


def apply_command(target: type[CrmTarget]) -> click.Command:
    """The command `apply` of a target."""

    @click.command("apply")
    @click.argument("plan", type=click.Path(path_type=Path))
    @click.option("--approved-by", default="", help="Who approved the plan; the ledger notes it.")
    @config_option
    def apply(plan: Path, approved_by: str, config_files: Sequence[str]) -> None:
        """Carry out a plan of `plan --out`, and nothing else.

        A record that has changed since, in the CRM or at the source, is left out and named. Apply a
        plan again after an interruption: what is done counts as unchanged.
        """
        plugin = validated(target, config_files)
        for line in applied(Apply(plugin, plan, approved_by).run()):
            click.echo(line)

    return apply


def applied(approval: Approval | None) -> Iterator[str]:
    """What was done, and what was left out, in lines."""
    if approval is None:
        return
    for name, count in approval.outcomes.objects.items():
        yield (
            f"{name}: {count.of('created')} created, {count.of('updated')} updated, "
            f"{count.of('changed_since_plan')} refused"
        )
    for refused in approval.refused[:REFUSED_LIMIT]:
        yield f"refused {refused.object} {refused.key}: {refused.reason}"
    if len(approval.refused) > REFUSED_LIMIT:
        yield f"{len(approval.refused) - REFUSED_LIMIT} more are in the report"
