"""Commands of `tap-canai` besides the Singer tap itself; each takes the tap's settings from --config and the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_canai.report import catalog, summary, write_report
from tap_canai.subject import export_subject

if TYPE_CHECKING:
    from tap_canai.tap import TapCanAI

CONFIG = click.option(
    "--config",
    "config_files",
    multiple=True,
    type=click.Path(),
    help="Settings file, besides the environment.",
)


def settings_of(config_files: Sequence[str]) -> dict[str, Any]:
    """The settings of the files, later ones over earlier. Raises: click.ClickException."""
    given: dict[str, Any] = {}
    for name in config_files:
        if name == "ENV":  # as the SDK has it: the environment, which is always read here
            continue
        try:
            given |= json.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            raise click.ClickException(
                f"{name} is no settings file that can be read. Give a JSON object."
            ) from None
    return given


Configured = Callable[..., "TapCanAI"]


@click.group()
def commands() -> None:
    """What tap-canai does besides reading streams."""


@commands.command("export")
@click.option("--user-id", required=True, help="Whose data.")
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty folder, or one to be made.",
)
@CONFIG
@click.pass_obj
def export(configured: Configured, user_id: str, output: Path, config_files: Sequence[str]) -> None:
    """Write everything the API gives on one person, as JSON and CSV with a manifest."""
    tap = configured(settings_of(config_files))
    manifest = export_subject(
        tap.client, user_id, output, str(tap.config.get("compliance_mode") or "gdpr_export")
    )
    for one in manifest["files"]:
        click.echo(f"{one['file']}: {one['records']} records, {one['bytes']} bytes")


@commands.command("report")
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that ends in .html or .pdf.",
)
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=30,
    show_default=True,
    help="Days before the end.",
)
@CONFIG
@click.pass_obj
def report(configured: Configured, output: Path, days: float, config_files: Sequence[str]) -> None:
    """Write what happened on the platform, in sums and averages, as HTML or PDF."""
    tap = configured(settings_of(config_files), catalog())
    click.echo(f"{output}: {summary(write_report(tap, days, output))}")


@commands.group("audit")
def audit() -> None:
    """The log of exports."""


@audit.command("verify")
@CONFIG
@click.pass_obj
def verify(configured: Configured, config_files: Sequence[str]) -> None:
    """Check that no row of the audit log was changed, taken out or put in."""
    click.echo(
        f"The audit log holds: {configured(settings_of(config_files)).audit_log.verify()} rows, each fits the one before."
    )


def command_named(arguments: Sequence[Any]) -> Callable[..., Any] | None:
    """The commands, where the first argument names one of them."""
    known: Mapping[str, click.Command] = commands.commands
    return commands if arguments and arguments[0] in known else None
