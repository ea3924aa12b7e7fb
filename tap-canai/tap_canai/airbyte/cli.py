"""The command line of `source-canai`: spec, check, discover and read.

They answer with messages on stdout, one JSON object a line, and nothing else: logs are LOG messages
and errors are TRACE messages.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from tap_canai.airbyte.catalog import catalog_stream
from tap_canai.airbyte.messages import LogMessages, Writer
from tap_canai.airbyte.source import Source, Stopped
from tap_canai.airbyte.specification import specification
from tap_canai.errors import FatalError, SettingError
from tap_canai.streams import STREAMS

QUIET = ("urllib3", "singer_sdk.metrics")
"""Logs whose lines below WARNING say nothing to a user of Airbyte."""
ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], None]


class UnexpectedError(FatalError):
    """A bug."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    writer = Writer(sys.stdout)
    log_into(writer)
    sys.excepthook = unexpected(writer)
    try:
        code: int = commands.main(
            args=list(sys.argv[1:] if argv is None else argv),
            prog_name="source-canai",
            standalone_mode=False,
            obj=Source(writer),
        )
    except FatalError as error:
        writer.error(error)
        return 1
    except click.ClickException as error:
        writer.error(SettingError(error.format_message(), "See source-canai --help."))
        return 1
    except Stopped as stopped:
        return 128 + stopped.number
    return code or 0


def log_into(writer: Writer) -> None:
    """All logs of the process as messages."""
    logging.getLogger().handlers[:] = [LogMessages(writer)]
    logging.getLogger().setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def unexpected(writer: Writer) -> ExceptHook:
    """For an unexpected error: its class goes out, without the values it may quote."""

    def write(kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
        writer.error(
            UnexpectedError(
                f"An unexpected error occurred ({kind.__name__}).",
                "Please report it, with the version of the source.",
            )
        )
        traceback.print_tb(trace)

    return write


def read_json(path: str, what: str) -> Any:
    """A JSON file's content; `what` names it in messages. Raises: SettingError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingError(f"The {what} is not a readable JSON file.", "Give its path.") from None


CONFIG = click.option("--config", required=True, help="The settings, a JSON file.")


@click.group()
def commands() -> None:
    """CanAI as an Airbyte source."""


@commands.command()
@click.pass_obj
def spec(source: Source) -> int:
    """Show the settings."""
    source.writer.send({"type": "SPEC", "spec": specification()})
    return 0


@commands.command()
@CONFIG
@click.pass_obj
def check(source: Source, config: str) -> int:
    """Check that the API accepts the settings."""
    return source.check(read_json(config, "config"))


@commands.command()
@CONFIG
@click.pass_obj
def discover(source: Source, config: str) -> int:
    """Show the streams."""
    read_json(config, "config")
    streams = [catalog_stream(stream) for stream in STREAMS]
    source.writer.send({"type": "CATALOG", "catalog": {"streams": streams}})
    return 0


@commands.command()
@CONFIG
@click.option("--catalog", required=True, help="The configured catalog, a JSON file.")
@click.option(
    "--state", default="", help="The state, a JSON file; none, or a missing one, for a first read."
)
@click.pass_obj
def read(source: Source, config: str, catalog: str, state: str) -> int:
    """Read the streams of a configured catalog."""
    has_state = state and Path(state).is_file()
    text = Path(state).read_text(encoding="utf-8") if has_state else ""
    return source.read(read_json(config, "config"), read_json(catalog, "catalog"), text)
