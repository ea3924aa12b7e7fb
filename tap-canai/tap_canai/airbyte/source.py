"""What an Airbyte source does: check the connection, and read streams.

A stream that fails does not keep the others from being read; the exit code says that it failed,
since the platform takes exit code 0 for the success of every stream.
Source: Airbyte protocol v0.2 (airbyte-protocol-models), read 2026-11-23.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from singer_kit.known_settings import check_settings
from singer_kit.settings import coerced

from tap_canai.airbyte.catalog import input_state, selection
from tap_canai.airbyte.messages import Writer
from tap_canai.config_schema import CONFIG_SCHEMA
from tap_canai.errors import FatalError
from tap_canai.tap import TapCanAI


class Stopped(BaseException):
    """A signal asked the read to end; like KeyboardInterrupt, it is not an error."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass
class Source:
    """One command's run."""

    writer: Writer

    def check(self, config: Mapping[str, Any]) -> int:
        """Write whether the API takes the key; returns the exit code."""
        try:
            with configured(config) as tap:
                tap.client.now()
            status = {"status": "SUCCEEDED"}
        except FatalError as error:
            status = {"status": "FAILED", "message": str(error)}
        self.writer.send({"type": "CONNECTION_STATUS", "connectionStatus": status})
        return 0

    def read(
        self, config: Mapping[str, Any], configured_catalog: Mapping[str, Any], state: str
    ) -> int:
        """Read every stream of the catalog; returns the exit code, 1 if a stream failed.

        Raises: FatalError before the first stream, Stopped.
        """
        selected = selection(configured_catalog)
        start = input_state(state)
        for name in selected.full_refresh:
            start["bookmarks"].pop(name, None)
        with configured(
            config, catalog=selected.catalog, state=start, message_writer=self.writer
        ) as tap:
            # only now: the tap's constructor sets the SDK's handler, which would end with success
            signal.signal(signal.SIGTERM, stop)
            # a key that is not accepted ends the read before any stream begins
            tap.client.now()
            succeeded = [self._read_stream(tap, name) for name in selected.streams]
        return 0 if all(succeeded) else 1

    def _read_stream(self, tap: TapCanAI, name: str) -> bool:
        """Read a stream, with its statuses and its last state. Returns True if it succeeded.

        Raises: Stopped.
        """
        self.writer.begin(name)
        try:
            tap.streams[name].sync()
            tap.streams[name].finalize_state_progress_markers()
        except FatalError as error:
            self._end_stream(tap, "INCOMPLETE", error)
            return False
        except Stopped:
            self._end_stream(tap, "INCOMPLETE")
            raise
        self._end_stream(tap, "COMPLETE")
        return True

    def _end_stream(self, tap: TapCanAI, status: str, error: FatalError | None = None) -> None:
        """Write the present stream's last state, its error and its status."""
        self.writer.state(tap.state, final=True)
        if error:
            self.writer.error(error, self.writer.stream)
        self.writer.status(status)


def configured(config: Mapping[str, Any], **more: Any) -> TapCanAI:
    """The tap with the settings of Airbyte's form; `more` as the tap takes it.

    Raises: SettingError.
    """
    filled = {name: value for name, value in config.items() if value not in (None, "", [])}
    check_settings(TapCanAI, filled)
    return TapCanAI.from_config(coerced(filled, CONFIG_SCHEMA), **more)


def stop(number: int, _frame: FrameType | None) -> None:
    """Raises: Stopped."""
    raise Stopped(number)
