"""The commands for dead letters: `dead-letters list`, `show`, `export`, `close`, and `replay`.

The first three read the ledger alone, whatever its accounts; the others work on the account that
the credentials belong to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click
from singer_kit.command_line import config_option

from reverse_etl.ledger import LetterChoice
from reverse_etl.ledger.letter_search import LetterSearch
from reverse_etl.singer.configured import configured, open_ledger, validated
from reverse_etl.singer.letter_closing import close_letters
from reverse_etl.singer.letter_output import details, listed, save_csv, write_csv, write_json
from reverse_etl.singer.replay import Replay
from reverse_etl.singer.target import CrmTarget

LIST_LIMIT = 10


def choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that choose letters; the command gets them as one `choice`."""

    @click.option("--object", "objects", multiple=True, help="Only letters of this CRM object.")
    @click.option("--stream", "streams", multiple=True, help="Only letters of this stream.")
    @click.option("--code", "codes", multiple=True, help="Only letters with this error code.")
    @click.option("--key", "keys", multiple=True, help="Only letters with this source key.")
    @wraps(command)
    def with_choice(
        *,
        objects: Sequence[str],
        streams: Sequence[str],
        codes: Sequence[str],
        keys: Sequence[str],
        **options: Any,
    ) -> Any:
        return command(choice=LetterChoice(objects, streams, codes, keys), **options)

    return with_choice


def letter_commands(target: type[CrmTarget]) -> click.Group:
    """The group `dead-letters` of a target."""

    @click.group("dead-letters")
    def group() -> None:
        """Records that could not be delivered."""

    @group.command("list")
    @choice_options
    @click.option(
        "--limit", default=LIST_LIMIT, show_default=True, help="Letters to show a reason; 0: all."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print all, with records, as JSON.")
    @config_option
    def list_letters(
        choice: LetterChoice, limit: int, as_json: bool, config_files: Sequence[str]
    ) -> None:
        """List the open dead letters of every account in the ledger, by reason."""
        plugin = configured(target, config_files)
        with open_ledger(plugin) as engine:
            search = LetterSearch(engine, plugin.crm, choice)
            if as_json:
                write_json(search.letters())
                return
            for line in listed(search, limit):
                click.echo(line)

    @group.command("show")
    @click.argument("key")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
    @config_option
    def show(key: str, as_json: bool, config_files: Sequence[str]) -> int:
        """Show the open dead letters of one source key, with their records.

        The exit code is 1 if there are none.
        """
        plugin = configured(target, config_files)
        with open_ledger(plugin) as engine:
            letters = list(LetterSearch(engine, plugin.crm, LetterChoice(key=[key])).letters())
        if as_json:
            write_json(letters)
        elif not letters:
            click.echo("no open dead letter has this key", err=True)
        for letter in () if as_json else letters:
            click.echo(details(letter))
        return int(not letters)

    @group.command("export")
    @choice_options
    @click.option("--format", "_", type=click.Choice(["csv"]), default="csv", show_default=True)
    @click.option("--output", type=click.Path(path_type=Path), help="File to write; else stdout.")
    @config_option
    def export(
        choice: LetterChoice, output: Path | None, config_files: Sequence[str], _: str
    ) -> None:
        """Write the open dead letters with their records as CSV.

        The file holds personal data: only its owner can read it. It replaces one that exists.
        """
        plugin = configured(target, config_files)
        with open_ledger(plugin) as engine:
            letters = LetterSearch(engine, plugin.crm, choice).letters()
            if output is None:
                write_csv(sys.stdout, letters)
            else:
                click.echo(f"{save_csv(output, letters)} dead letters are in {output}", err=True)

    @group.command("close")
    @choice_options
    @click.option("--all", "closes_all", is_flag=True, help="Close every open letter.")
    @config_option
    def close(choice: LetterChoice, closes_all: bool, config_files: Sequence[str]) -> None:
        """Close dead letters of this account that no one needs to deliver.

        The records are not delivered. A letter opens again if its record comes again and is
        rejected again.
        """
        closed = close_letters(validated(target, config_files), choice, closes_all=closes_all)
        for reason in closed:
            click.echo(str(reason))
        click.echo(f"{sum(reason.letters for reason in closed)} dead letters were closed")

    return group


def replay_command(target: type[CrmTarget]) -> click.Command:
    """The command `replay` of a target."""

    @click.command("replay")
    @choice_options
    @config_option
    def replay(choice: LetterChoice, config_files: Sequence[str]) -> None:
        """Try dead letters of this account again, whatever their cause; without options all.

        They are mapped with the mapping of today. Report and exit code are those of a run.
        """
        plugin = validated(target, config_files)
        try:
            Replay(plugin, choice).run()
        finally:
            if plugin.dry_run is not None:
                plugin.dry_run.close()

    return replay
