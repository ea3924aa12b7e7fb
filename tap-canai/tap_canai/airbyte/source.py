"""`source-canai`: the tap's own streams over the Airbyte protocol, in process.

spec, check, discover and read answer with messages on stdout, one JSON object a line, and nothing else: logs are LOG
messages. A stream that fails does not keep the others from being read; the exit code tells that one did, since the
platform takes exit code 0 for every stream's success.
Source: Airbyte protocol v0.2 (airbyte-protocol-models), read 2026-11-23.
"""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import click
from singer_sdk.exceptions import ConfigValidationError

from tap_canai.airbyte.catalog import (
    catalog_stream,
    input_state,
    loaded,
    singer_catalog,
    specification,
)
from tap_canai.airbyte.messages import LogMessages, Writer
from tap_canai.errors import SettingError, TapError
from tap_canai.streams import STREAMS


class Stopped(BaseException):
    """A signal asked the read to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass
class Source:
    """One command's run."""

    writer: Writer
    configured: Callable[..., Any]
    """Makes the tap: settings, catalog, state, message writer."""

    def check(self, config: Mapping[str, Any]) -> int:
        """Whether the API takes the key."""
        try:
            self.configured(config).client.now()
            result = {"status": "SUCCEEDED"}
        except TapError as error:
            result = {"status": "FAILED", "message": str(error)}
        self.writer.send({"type": "CONNECTION_STATUS", "connectionStatus": result})
        return 0

    def read(
        self, config: Mapping[str, Any], configured_catalog: Mapping[str, Any], state: str | None
    ) -> int:
        """Every stream of the catalog; 1 where one failed. Raises: TapError before the first."""
        catalog, names, full = singer_catalog(configured_catalog)
        given = input_state(state)
        for name in full:
            given["bookmarks"].pop(name, None)
        tap = self.configured(config, catalog, given, self.writer)
        signal.signal(
            signal.SIGTERM, stop
        )  # the SDK's own handler, set by then, would end with success
        tap.client.now()  # a key that is not taken is told before any stream begins
        failed = False
        for name in names:
            failed = not self._stream(tap, name) or failed
        return 1 if failed else 0

    def _stream(self, tap: Any, name: str) -> bool:
        """One stream, with its statuses and its last state; whether it was read to its end."""
        self.writer.begin(name)
        try:
            tap.streams[name].sync()
            tap.streams[name].finalize_state_progress_markers()
        except TapError as error:
            self.writer.state(tap.state, final=True)
            self.writer.error(error, name)
            self.writer.status("INCOMPLETE")
            return False
        except Stopped:
            self.writer.state(tap.state, final=True)
            self.writer.status("INCOMPLETE")
            raise
        self.writer.state(tap.state, final=True)
        self.writer.status("COMPLETE")
        return True


def configured(
    given: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
    writer: Writer | None = None,
) -> Any:
    """The tap with these settings. Raises: SettingError."""
    from tap_canai.tap import TapCanAI, bad_setting, coerced

    known = {name: value for name, value in given.items() if value not in (None, "", [])}
    try:
        return TapCanAI(
            config=coerced(known, TapCanAI.config_jsonschema),
            catalog=dict(catalog) if catalog else None,
            state=dict(state) if state else None,
            message_writer=writer,
        )
    except ConfigValidationError as error:
        raise bad_setting(error.errors) from None


def tell_unexpected(
    writer: Writer,
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """For an error that nobody foresaw: the platform is told its kind, without the values it may quote."""

    def tell(cls: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        writer.error(
            UnexpectedError(
                f"An unexpected error occurred ({cls.__name__}).",
                "Please report it, with the version of the source.",
            )
        )
        traceback.print_tb(trace)

    return tell


class UnexpectedError(TapError):
    """A bug."""


def stop(number: int, frame: FrameType | None) -> None:
    """Raises: Stopped."""
    raise Stopped(number)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `source-canai`."""
    writer = Writer(sys.stdout)
    handler = LogMessages(writer)
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    logging.getLogger("singer_sdk.metrics").setLevel(logging.WARNING)
    sys.excepthook = tell_unexpected(writer)
    source = Source(writer, configured)
    try:
        code: int = commands.main(
            args=list(sys.argv[1:] if argv is None else argv),
            prog_name="source-canai",
            standalone_mode=False,
            obj=source,
        )
    except TapError as error:
        writer.error(error)
        return 1
    except click.ClickException as error:
        writer.error(SettingError(error.format_message(), "See source-canai --help."))
        return 1
    except Stopped as stopped:
        return 128 + stopped.number
    return code or 0


CONFIG = click.option("--config", required=True, help="The settings, a JSON file.")


@click.group()
def commands() -> None:
    """CanAI as an Airbyte source."""


@commands.command()
@click.pass_obj
def spec(source: Source) -> int:
    """What settings there are."""
    source.writer.send({"type": "SPEC", "spec": specification()})
    return 0


@commands.command()
@CONFIG
@click.pass_obj
def check(source: Source, config: str) -> int:
    """Whether the settings are good."""
    return source.check(loaded(config, "config"))


@commands.command()
@CONFIG
@click.pass_obj
def discover(source: Source, config: str) -> int:
    """What streams there are."""
    loaded(config, "config")
    source.writer.send(
        {"type": "CATALOG", "catalog": {"streams": [catalog_stream(stream) for stream in STREAMS]}}
    )
    return 0


@commands.command()
@CONFIG
@click.option("--catalog", required=True, help="The configured catalog, a JSON file.")
@click.option(
    "--state", help="The state, a JSON file; none, or one that is not there, for a first read."
)
@click.pass_obj
def read(source: Source, config: str, catalog: str, state: str | None) -> int:
    """Read the streams of a configured catalog."""
    text = Path(state).read_text(encoding="utf-8") if state and Path(state).is_file() else None
    return source.read(loaded(config, "config"), loaded(catalog, "catalog"), text)
