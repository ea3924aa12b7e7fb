"""The command line of `tap-canai`: the Singer tap, and commands beside it.

Each command takes the tap's settings from --config and the environment. An error that a person can
act on ends as one line and exit code 1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from singer_kit.command_line import config_option, run_command
from singer_kit.settings import settings_from_files, with_environment

from tap_canai.platform_report import catalog, summary
from tap_canai.report_files import write_report
from tap_canai.subject_export import export_subject
from tap_canai.tap import TapCanAI

PACKAGES = ("singer_kit", "tap_canai")
"""Those whose code an unexpected error names."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_named = bool(arguments) and arguments[0] in commands.commands
    command: Callable[..., Any] = commands if is_named else TapCanAI.cli
    return run_command(command, TapCanAI.name, arguments, packages=PACKAGES)


def configured(config_files: Sequence[str], **more: Any) -> TapCanAI:
    """The tap with the settings of files and the environment. Raises: SettingError."""
    settings = with_environment(TapCanAI, settings_from_files(config_files))
    return TapCanAI.from_config(settings, **more)


@click.group()
def commands() -> None:
    """What tap-canai does besides reading streams."""


@commands.command("export")
@click.option("--user-id", required=True, help="Whose data.")
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="An empty folder, or one to be created.",
)
@config_option
def export(user_id: str, output: Path, config_files: Sequence[str]) -> None:
    """Write everything the API gives on one person, as JSON and CSV with a manifest."""
    with configured(config_files) as tap:
        compliance_mode = tap.settings.compliance_mode or "gdpr_export"
        manifest = export_subject(tap.client, user_id, output, compliance_mode)
    for file in manifest["files"]:
        click.echo(f"{file['file']}: {file['records']} records, {file['bytes']} bytes")


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
@config_option
def report(output: Path, days: float, config_files: Sequence[str]) -> None:
    """Write what happened on the platform, in sums and averages, as HTML or PDF."""
    with configured(config_files, catalog=catalog()) as tap:
        click.echo(f"{output}: {summary(write_report(tap, days, output))}")


@commands.group("audit")
def audit() -> None:
    """The log of exports."""


@audit.command("verify")
@config_option
def verify(config_files: Sequence[str]) -> None:
    """Check that no row of the audit log was changed, taken out or put in."""
    with configured(config_files) as tap:
        rows = tap.audit_log.verify()
    click.echo(f"The audit log holds: {rows} rows, each fits the one before.")
