"""The commands of `mapping`: check rules, also against the CRM, list fields, and begin a rule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from singer_kit.command_line import config_option
from singer_kit.private_files import write_private

from reverse_etl.errors import FatalError
from reverse_etl.mapping.examples import check_examples
from reverse_etl.singer.configured import configured, validated
from reverse_etl.singer.field_list import described_fields, field_rows, field_table
from reverse_etl.singer.new_rule import new_rule
from reverse_etl.singer.online_mapping import check_online, lines_of
from reverse_etl.singer.sample_messages import SampleMessages
from reverse_etl.singer.target import CrmTarget

input_option = click.option(
    "--input", "lines", type=click.File(), help="File of Singer messages, as a tap writes them."
)


def mapping_commands(target: type[CrmTarget]) -> click.Group:
    """The group `mapping` of a target."""

    @click.group("mapping")
    def group() -> None:
        """The mapping."""

    @group.command("check")
    @click.option("--online", is_flag=True, help="Check every rule against the CRM as well.")
    @input_option
    @click.option("--values", is_flag=True, help="Print what the samples hold, unmasked.")
    @config_option
    def check(
        online: bool, lines: IO[str] | None, values: bool, config_files: Sequence[str]
    ) -> int:
        """Check the rules' shape and sense, and run their examples.

        Without --online, the CRM is not asked. With it, all mistakes are printed at once and
        nothing is written; the exit code is 1 if there are any. The SCHEMA messages of --input have
        the rules' paths checked, and the first records of each stream are mapped as samples.
        """
        if lines is not None and not online:
            raise click.UsageError("--input needs --online.")
        plugin = configured(target, config_files)
        if online:
            plugin.mapping.objects = None  # the CRM says what it has
        print_offline(plugin)
        samples = SampleMessages.read(lines or ())
        return print_online(target, config_files, samples, values=values) if online else 0

    @group.command("fields")
    @click.argument("name", metavar="OBJECT")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
    @config_option
    def fields(name: str, as_json: bool, config_files: Sequence[str]) -> None:
        """List the fields of an object of the CRM."""
        with reading(target, config_files) as plugin:
            rows = field_rows(described_fields(plugin, name))
        if as_json:
            click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        else:
            for line in field_table(rows):
                click.echo(line)

    @group.command("init")
    @click.option("--object", "name", required=True, help="The object of the CRM.")
    @click.option("--stream", help="The stream, if the input has several.")
    @input_option
    @click.option("--output", type=click.Path(path_type=Path), help="A new file; else stdout.")
    @config_option
    def init(
        name: str,
        stream: str | None,
        lines: IO[str] | None,
        output: Path | None,
        config_files: Sequence[str],
    ) -> None:
        """Begin a rule: the properties of a stream, each with the nearest field of the CRM.

        Read it before you use it: names that are alike need not mean the same.
        """
        samples = SampleMessages.read(lines or ())
        with reading(target, config_files) as plugin:
            text = new_rule(described_fields(plugin, name), samples, stream)
        if output is None:
            click.echo(text, nl=False)
        else:
            write_rule(output, text)

    return group


def print_offline(plugin: CrmTarget) -> None:
    """The first two rings of checks, and the examples. Raises: MappingError."""
    rules = plugin.rules
    count = check_examples(rules, plugin.mapping.functions())
    click.echo(f"{len(rules)} rules and {count} examples are right")
    for note in plugin.mapping_notes(rules):
        click.echo(note)


def print_online(
    target: type[CrmTarget], config_files: Sequence[str], samples: SampleMessages, *, values: bool
) -> int:
    """The third ring of checks; returns the exit code. Raises: FatalError."""
    with reading(target, config_files) as plugin:
        plugin.mapping.objects = None
        checked = check_online(plugin, samples)
    for line in lines_of(checked, samples, values=values):
        click.echo(line)
    mistakes = [mistake for entry in checked for mistake in entry.mistakes]
    for mistake in mistakes:
        click.echo(str(mistake), err=True)
    fit = sum(not entry.mistakes for entry in checked)
    click.echo(f"{fit} of {len(checked)} rules fit the CRM")
    return int(bool(mistakes))


@contextmanager
def reading(target: type[CrmTarget], config_files: Sequence[str]) -> Iterator[CrmTarget]:
    """A target whose adapter writes nothing. Raises: SettingError."""
    plugin = validated(target, config_files, dry_run=True)
    try:
        yield plugin
    finally:
        if plugin.dry_run is not None:
            plugin.dry_run.close()


def write_rule(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Raises: FatalError."""
    try:
        write_private(path, text.encode())
    except FileExistsError:
        raise FatalError(f"{path} already exists.", "Choose another file.") from None
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error.strerror}.") from None
