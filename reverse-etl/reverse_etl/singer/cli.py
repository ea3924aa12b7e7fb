"""The command line of a target: the Singer command, and commands that look at mapping and ledger.

Every error that you can act on ends as one line on stderr and exit code 1, without a traceback.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import stat
import sys
import time
from collections.abc import Sequence
from functools import partial
from select import select as readable
from typing import Any

import click
from singer_kit.command_line import config_option, run_command
from singer_sdk.exceptions import InvalidInputLine, RecordsWithoutSchemaException
from sqlalchemy import func, select

from reverse_etl.errors import StoppedError
from reverse_etl.ledger.tables import ENTRY, RUN
from reverse_etl.singer.audit_commands import audit_commands
from reverse_etl.singer.configured import configured, open_ledger, validated
from reverse_etl.singer.erase_commands import erase_command, unerase_command
from reverse_etl.singer.explain_command import explain_command
from reverse_etl.singer.letter_commands import letter_commands, replay_command
from reverse_etl.singer.mapping_commands import mapping_commands
from reverse_etl.singer.plan_commands import apply_command, plan_command
from reverse_etl.singer.preflight import check_command
from reverse_etl.singer.target import CrmTarget
from reverse_etl.singer.verify import Repeated, repeated_keys

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""When Python looks for garbage in circles. A block is a million objects and makes next to none, so
that Python's own thresholds cost a fifth of the time."""
DRAIN_S = 60.0
"""How long a failed target goes on reading; a tap that writes for longer gets a broken pipe."""
DRAIN_BYTES = 1024 * 1024
COMMANDS = (
    "apply", "audit", "check", "dead-letters", "erase", "explain", "ledger", "mapping", "plan",
    "replay", "unerase",
)  # fmt: skip
READING_COMMANDS = ("", "plan")
"""Those that a tap writes to; the Singer command has no name."""


def main(target: type[CrmTarget], argv: Sequence[str] | None = None) -> int:
    """Run a target's command line; returns the exit code."""
    arguments = command_first(sys.argv[1:] if argv is None else argv)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    try:
        return run_command(
            commands(target) if command else singer_command(target),
            target.name,
            arguments,
            packages=("singer_kit", "reverse_etl", target.__module__.partition(".")[0]),
            expected=(RecordsWithoutSchemaException, InvalidInputLine),
            let_pass=(StoppedError,),
            on_failure=partial(end_failed_run, target.name, reads=command in READING_COMMANDS),
        )
    except StoppedError as stopped:
        logging.getLogger(target.name).info("%s", stopped)
        return 128 + stopped.signal_number


def command_first(arguments: Sequence[str]) -> list[str]:
    """The arguments, with a command moved before the settings that precede it.

    `meltano invoke` puts them there: `--config FILE dead-letters list`.
    """
    place = 0
    while place < len(arguments):
        word = arguments[place]
        if word in COMMANDS:
            return [*arguments[place:], *arguments[:place]]
        if word.partition("=")[0] != "--config":
            break
        place += 1 if "=" in word else 2
    return list(arguments)


def singer_command(target: type[CrmTarget]) -> click.Command:
    """The Singer command, whose help names the others."""
    command = target.cli
    command.epilog = f"Commands: {', '.join(COMMANDS)}. {target.name} COMMAND --help says more."
    return command


def end_failed_run(name: str, exit_code: int, *, reads: bool = True) -> None:
    """After the error: let the tap finish writing, and name the exit code in the last line."""
    if reads:
        read_to_the_end(stdin_handle())
    logging.getLogger(name).error("exit code %d", exit_code)


def stdin_handle() -> int:
    """The descriptor of standard input; -1 if there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):
        return -1


def read_to_the_end(handle: int) -> None:
    """Read and drop what a tap still writes.

    Meltano 4.4 otherwise buries our message under the traceback of a broken pipe.
    """
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


def commands(target: type[CrmTarget]) -> click.Group:
    """The commands besides the Singer one."""

    @click.group()
    def group() -> None:
        """Look at mapping and ledger."""

    group.add_command(plan_command(target))
    group.add_command(apply_command(target))
    group.add_command(audit_commands(target))
    group.add_command(check_command(target))
    group.add_command(erase_command(target))
    group.add_command(unerase_command(target))
    group.add_command(explain_command(target))
    group.add_command(letter_commands(target))
    group.add_command(replay_command(target))

    @group.group("ledger")
    def ledger() -> None:
        """The sync ledger."""

    @ledger.command("status")
    @config_option
    def status(config_files: Sequence[str]) -> None:
        """Entries by account, object and state, and the last run."""
        click.echo(json.dumps(ledger_status(configured(target, config_files)), indent=2))

    @ledger.command("verify")
    @click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
    @config_option
    def verify(as_json: bool, config_files: Sequence[str]) -> int:
        """Read all keys from the CRM, and list those that are on more than one record.

        The exit code is 1 if there are any.
        """
        return print_repeated(repeated_keys(validated(target, config_files)), as_json=as_json)

    group.add_command(mapping_commands(target))
    return group


def print_repeated(repeated: Sequence[Repeated], *, as_json: bool) -> int:
    """A line per key and their number, or one JSON array; returns the exit code."""
    if as_json:
        click.echo(json.dumps([key.report() for key in repeated], indent=2))
    else:
        for key in repeated:
            click.echo(str(key))
        click.echo(f"{len(repeated)} keys are on more than one record")
    return int(bool(repeated))


def ledger_status(plugin: CrmTarget) -> dict[str, Any]:
    """Counts of entries, and the last run of each account."""
    runs = select(RUN).where(RUN.c.crm == plugin.crm).order_by(RUN.c.began_at)
    states = (
        select(ENTRY.c.account, ENTRY.c.object, ENTRY.c.state, func.count().label("rows"))
        .where(ENTRY.c.crm == plugin.crm)
        .group_by(ENTRY.c.account, ENTRY.c.object, ENTRY.c.state)
    )
    accounts: dict[str, Any] = {}
    with open_ledger(plugin) as engine, engine.connect() as connection:
        for run in connection.execute(runs):
            account = accounts.setdefault(run.account, {"entries": {}})
            account["last_run"] = {
                "began_at": run.began_at, "ended_at": run.ended_at, "exit_code": run.exit_code,
            }  # fmt: skip
        for row in connection.execute(states):
            account = accounts.setdefault(row.account, {"entries": {}})
            account["entries"].setdefault(row.object, {})[row.state] = row.rows
    return accounts
