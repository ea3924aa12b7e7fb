"""The command line of a target: the Singer command, and commands that look at mapping and ledger.

Every error a person can act on ends as one line on stderr and exit code 1, without a traceback.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import time
from collections.abc import Callable, Sequence
from select import select as readable
from typing import Any

import click
from singer_sdk.exceptions import FatalAPIError, InvalidInputLine, RecordsWithoutSchemaException
from sqlalchemy import select
from sqlalchemy.orm import Session

from reverse_etl.errors import StoppedError
from reverse_etl.ledger import Ledger
from reverse_etl.ledger.tables import DeadLetterRow, EntryRow, RunRow
from reverse_etl.mapping.examples import check_examples
from reverse_etl.singer.settings import ledger_url
from reverse_etl.singer.target import CrmTarget

DRAIN_S = 60.0
"""How long a failed target goes on reading its input; a tap that writes for longer gets a broken pipe."""
DRAIN_BYTES = 1024 * 1024
COMMANDS = ("dead-letters", "ledger", "mapping")


def main(target: type[CrmTarget], argv: Sequence[str] | None = None) -> int:
    """Run a target's command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in COMMANDS:
            code = commands(target)(args=arguments, prog_name=target.name, standalone_mode=False)
        else:
            code = target.cli(args=arguments, prog_name=target.name, standalone_mode=False)
    except (FatalAPIError, RecordsWithoutSchemaException, InvalidInputLine) as error:
        return failed(target, str(error))
    except StoppedError as stopped:
        logging.getLogger(target.name).info("%s", stopped)
        return 128 + stopped.signal_number
    except click.ClickException as error:
        error.show()
        return 1
    return code if isinstance(code, int) else 0


def failed(target: type[CrmTarget], message: str) -> int:
    """Say what is wrong; 1."""
    logging.getLogger(target.name).error("%s", message)
    read_to_the_end(stdin_handle())
    logging.getLogger(target.name).error("exit code 1")
    return 1


def stdin_handle() -> int:
    """The descriptor of standard input; -1 where there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):
        return -1


def read_to_the_end(handle: int) -> None:
    """Read and drop what a tap still writes: Meltano 4.4 buries our message under a broken pipe's traceback otherwise."""
    deadline = time.monotonic() + DRAIN_S
    try:
        mode = os.fstat(handle).st_mode if handle >= 0 else 0
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):  # Meltano's pipes are sockets
            return
        while (left := deadline - time.monotonic()) > 0 and readable([handle], [], [], left)[0]:
            if not os.read(handle, DRAIN_BYTES):
                return
    except OSError:
        return


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config FILE`, besides the environment."""
    return click.option(
        "--config",
        "config_files",
        multiple=True,
        type=click.Path(exists=True),
        help="Settings file, or the environment.",
    )(command)


def configured(target: type[CrmTarget], config_files: Sequence[str]) -> CrmTarget:
    """A target with settings from files and the environment, not validated: these commands need few of them."""
    config: dict[str, Any] = {}
    for name in config_files:
        with open(name, encoding="utf-8") as file:
            config |= json.load(file)
    return target(config=config, parse_env_config=True, validate_config=False)


def commands(target: type[CrmTarget]) -> click.Group:
    """The commands beside the Singer one."""

    @click.group()
    def group() -> None:
        """Look at mapping and ledger."""

    @group.group("dead-letters")
    def dead_letters() -> None:
        """Records that could not be delivered."""

    @dead_letters.command("list")
    @click.option("--json", "as_json", is_flag=True, help="One JSON array.")
    @config_options
    def list_dead_letters(as_json: bool, config_files: Sequence[str]) -> None:
        """List open dead letters of every account in the ledger."""
        letters = open_letters(configured(target, config_files))
        if as_json:
            click.echo(json.dumps(letters, indent=2, default=str))
            return
        for one in letters:
            click.echo(
                f"{one['rule']}  {one['key']}  {one['stage']}/{one['code']}: {one['message']}. To do: {one['hint']}"
            )
        click.echo(f"{len(letters)} open dead letters")

    @group.group("ledger")
    def ledger() -> None:
        """The sync ledger."""

    @ledger.command("status")
    @config_options
    def status(config_files: Sequence[str]) -> None:
        """Entries by account, object and state, and the last run."""
        click.echo(json.dumps(ledger_status(configured(target, config_files)), indent=2))

    @group.group("mapping")
    def mapping() -> None:
        """The mapping."""

    @mapping.command("check")
    @config_options
    def check(config_files: Sequence[str]) -> None:
        """Check the rules' shape and sense, and run their examples, without the CRM."""
        plugin = configured(target, config_files)
        rules = plugin.load_mapping()
        count = check_examples(rules, plugin.load_functions())
        click.echo(f"{len(rules)} rules and {count} examples are right")

    return group


def open_letters(plugin: CrmTarget) -> list[dict[str, Any]]:
    """Open dead letters, with their raw records."""
    names = (
        "account",
        "rule",
        "key",
        "stream",
        "object",
        "stage",
        "code",
        "message",
        "hint",
        "record",
        "times",
        "first_at",
        "last_at",
    )
    query = (
        select(DeadLetterRow)
        .where(DeadLetterRow.crm == plugin.crm, DeadLetterRow.closed_at.is_(None))
        .order_by(DeadLetterRow.first_at)
    )
    with Session(Ledger.open(ledger_url(plugin.config, plugin.name))) as session:
        return [{name: getattr(row, name) for name in names} for row in session.scalars(query)]


def ledger_status(plugin: CrmTarget) -> dict[str, Any]:
    """Counts of entries, and the last run of each account."""
    accounts: dict[str, Any] = {}
    with Session(Ledger.open(ledger_url(plugin.config, plugin.name))) as session:
        for row in session.scalars(
            select(RunRow).where(RunRow.crm == plugin.crm).order_by(RunRow.began_at)
        ):
            last = {"began_at": row.began_at, "ended_at": row.ended_at, "exit_code": row.exit_code}
            accounts.setdefault(row.account, {"entries": {}})["last_run"] = last
        for account, name, state in session.execute(
            select(EntryRow.account, EntryRow.object, EntryRow.state).where(
                EntryRow.crm == plugin.crm
            )
        ):
            states = accounts.setdefault(account, {"entries": {}})["entries"].setdefault(name, {})
            states[state] = states.get(state, 0) + 1
    return accounts
