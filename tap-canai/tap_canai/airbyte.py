"""`source-canai`: the tap's own streams over the Airbyte protocol, in process.

spec, check, discover and read answer with messages on stdout, one JSON object a line, and nothing else: logs are LOG
messages. A stream that fails does not keep the others from being read; the exit code tells that one did, since the
platform takes exit code 0 for every stream's success.
Source: Airbyte protocol v0.2 (airbyte-protocol-models), read 2026-11-23.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib import Message, RecordMessage, StateMessage
from singer_sdk.singerlib.encoding import GenericSingerWriter

from tap_canai.errors import ApiRefused, ApiUnavailable, SettingError, TapError
from tap_canai.streams import STREAM_ORDER, STREAMS, catalog_entry, load_schema

DOCUMENTATION = "https://github.com/canai/canai-crm/blob/main/docs/airbyte.md"
CLOSED_WORDS = ("$ref", "allOf", "not", "additionalProperties")
GROUPS = {
    "connection": ("api_key", "api_url", "api_version", "request_timeout", "requests_per_minute", "allow_private_download_hosts"),
    "range": ("start_date", "end_date", "window_days", "lookback_seconds", "sweep_days", "parallel_exports", "format"),
    "filters": ("user_ids", "subscription_tiers", "journey_stages", "product_tracks"),
    "privacy": ("anonymize", "compliance_mode", "audit_log"),
}
TITLES = {"connection": "Connection", "range": "What is read", "filters": "Filters", "privacy": "Privacy"}
FAILURES: tuple[tuple[type[TapError], str], ...] = (
    (SettingError, "config_error"), (ApiRefused, "config_error"), (ApiUnavailable, "transient_error"), (TapError, "system_error"),
)  # fmt: skip
"""What kind of failure an error is to the platform; the first that fits."""
LEVELS = {"DEBUG": "DEBUG", "INFO": "INFO", "WARNING": "WARN", "ERROR": "ERROR", "CRITICAL": "FATAL"}


class Stopped(BaseException):
    """A signal asked the read to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


def now_ms() -> int:
    """The present moment, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass
class Writer(GenericSingerWriter[str, Message]):
    """Turns the tap's Singer messages into Airbyte's; a STATE is one stream's, with the number of records since the last one."""

    out: TextIO
    stream: str = ""
    records: int = 0
    total: Counter[str] = field(default_factory=Counter)
    last_state: str = ""

    def serialize_message(self, message: Message) -> str:
        """A Singer message as Airbyte has it; empty for one that it has not."""
        if isinstance(message, RecordMessage):
            self.records += 1
            self.total[message.stream] += 1
            return dumped({"type": "RECORD", "record": {"stream": message.stream, "data": message.record, "emitted_at": now_ms()}})
        return ""

    def write_message(self, message: Message) -> None:
        """Write a message; a state that says nothing new waits for one that does."""
        if isinstance(message, StateMessage):
            self.state(message.value, final=False)
            return
        text = self.serialize_message(message)
        if text:
            if self.total[self.stream] == 1:
                self.status("RUNNING")
            self.out.write(text + "\n")

    def state(self, value: Mapping[str, Any], *, final: bool) -> None:
        """The present stream's state."""
        own = (value.get("bookmarks") or {}).get(self.stream) or {}
        text = json.dumps(own, sort_keys=True)
        if text == self.last_state and not (final and self.records):
            return
        descriptor = {"stream_descriptor": {"name": self.stream}, "stream_state": own}
        stats = {"recordCount": float(self.records)}
        self.send({"type": "STATE", "state": {"type": "STREAM", "stream": descriptor, "sourceStats": stats}})
        self.last_state, self.records = text, 0

    def begin(self, stream: str) -> None:
        """A stream's messages follow."""
        self.stream, self.records, self.last_state = stream, 0, ""
        self.status("STARTED")

    def status(self, status: str) -> None:
        """How the present stream stands."""
        told = {"stream_descriptor": {"name": self.stream}, "status": status}
        self.send({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": float(now_ms()), "stream_status": told}})

    def error(self, error: TapError, stream: str = "") -> None:
        """What went wrong, for the platform and for people."""
        kind = next(name for cls, name in FAILURES if isinstance(error, cls))
        told: dict[str, Any] = {"message": str(error), "internal_message": type(error).__name__, "failure_type": kind}
        if stream:
            told["stream_descriptor"] = {"name": stream}
        self.send({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": float(now_ms()), "error": told}})

    def send(self, message: Mapping[str, Any]) -> None:
        """A message at once."""
        self.out.write(dumped(message) + "\n")
        self.out.flush()


def dumped(message: Mapping[str, Any]) -> str:
    """A message as a line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=str)


class LogMessages(logging.Handler):
    """Logs as LOG messages."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """One line of the log."""
        self.writer.send({"type": "LOG", "log": {"level": LEVELS.get(record.levelname, "INFO"), "message": record.getMessage()}})


# What the source is


def open_types(given: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema with nothing in it that destinations do not take, open for more properties."""
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name in CLOSED_WORDS and not (name == "additionalProperties" and isinstance(value, dict)):
            continue
        if name == "properties":
            made[name] = {key: open_types(one) for key, one in value.items()}
        elif isinstance(value, dict):
            made[name] = open_types(value)
        else:
            made[name] = value
    if made.get("format") == "date-time":
        made["airbyte_type"] = "timestamp_with_timezone"
    return made


def specification() -> dict[str, Any]:
    """The settings, in order and in groups, secrets marked."""
    from tap_canai.tap import TapCanAI

    declared = TapCanAI.config_jsonschema["properties"]
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    properties = {}
    for order, name in enumerate(name for names in GROUPS.values() for name in names):
        given = {key: value for key, value in declared[name].items() if key not in ("secret", "writeOnly")}
        one = open_types(given)
        types = [kind for kind in as_list(one.get("type", "string")) if kind != "null"]
        one["type"] = types[0] if len(types) == 1 else types
        if "enum" in one:
            one["enum"] = [value for value in one["enum"] if value is not None]
        one.pop("airbyte_type", None)
        if name in ("start_date", "end_date"):
            one["pattern"] = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z)?$"
            one.pop("format", None)
        if declared[name].get("secret"):
            one["airbyte_secret"] = True
        properties[name] = {**one, "order": order, "group": group_of[name]}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "CanAI",
        "type": "object",
        "required": ["api_key"],
        "additionalProperties": True,
        "groups": [{"id": group, "title": title} for group, title in TITLES.items()],
        "properties": properties,
    }
    return {"documentationUrl": DOCUMENTATION, "connectionSpecification": schema}


def as_list(value: Any) -> list[Any]:
    """A value that may stand alone."""
    return value if isinstance(value, list) else [value]


def catalog_stream(stream: Any) -> dict[str, Any]:
    """A stream as discover shows it."""
    schema = open_types(load_schema(stream.name))
    schema["additionalProperties"] = True
    return {
        "name": stream.name,
        "json_schema": {"$schema": "http://json-schema.org/draft-07/schema#", **schema},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [stream.replication_key],
        "source_defined_primary_key": [[key] for key in stream.primary_keys],
        "is_resumable": True,
    }


# What is asked of it


def input_state(text: str | None) -> dict[str, Any]:
    """The tap's state from Airbyte's: a list of stream states, one Singer state of old, or nothing. Raises: SettingError."""
    try:
        given = json.loads(text) if text and text.strip() else None
    except ValueError:
        raise SettingError("The state is no JSON.", "Reset the connection's state.") from None
    if isinstance(given, Mapping):
        legacy = given.get("bookmarks") if "bookmarks" in given else given.get("data", {}).get("bookmarks") if given.get("data") else None
        return {"bookmarks": dict(legacy or {})}
    bookmarks = {}
    for one in given or []:
        stream = (one or {}).get("stream") or {}
        name = (stream.get("stream_descriptor") or {}).get("name")
        if name and stream.get("stream_state"):
            bookmarks[name] = stream["stream_state"]
    return {"bookmarks": bookmarks}


def singer_catalog(configured: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], set[str]]:
    """The tap's catalog of a configured one, the streams in order, and those to be read from the beginning. Raises: SettingError."""
    known = set(STREAM_ORDER)
    wanted = {str(one["stream"]["name"]): one for one in configured.get("streams") or []}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise SettingError(f"The source has no stream {', '.join(unknown)}.", "Refresh the source's schema in Airbyte.")
    entries = []
    for name in STREAM_ORDER:
        chosen = name in wanted
        fields = set((wanted[name]["stream"].get("json_schema") or {}).get("properties") or {}) if chosen else set()
        entries.append(catalog_entry(name, selected=chosen, fields=fields))
    full = {name for name, one in wanted.items() if one.get("sync_mode") != "incremental"}
    return {"streams": entries}, [name for name in STREAM_ORDER if name in wanted], full


def loaded(path: str | None, what: str) -> Any:
    """A JSON file. Raises: SettingError."""
    try:
        return json.loads(Path(str(path)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingError(f"The {what} is no JSON file that can be read.", "Give its path.") from None


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

    def read(self, config: Mapping[str, Any], configured_catalog: Mapping[str, Any], state: str | None) -> int:
        """Every stream of the catalog; 1 where one failed. Raises: TapError before the first."""
        catalog, names, full = singer_catalog(configured_catalog)
        given = input_state(state)
        for name in full:
            given["bookmarks"].pop(name, None)
        tap = self.configured(config, catalog, given, self.writer)
        signal.signal(signal.SIGTERM, stop)  # the SDK's own handler, set by then, would end with success
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
    given: Mapping[str, Any], catalog: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None, writer: Writer | None = None
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


def tell_unexpected(writer: Writer) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """For an error that nobody foresaw: the platform is told its kind, without the values it may quote."""

    def tell(cls: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        writer.error(
            UnexpectedError(f"An unexpected error occurred ({cls.__name__}).", "Please report it, with the version of the source.")
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
            args=list(sys.argv[1:] if argv is None else argv), prog_name="source-canai", standalone_mode=False, obj=source
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
    source.writer.send({"type": "CATALOG", "catalog": {"streams": [catalog_stream(stream) for stream in STREAMS]}})
    return 0


@commands.command()
@CONFIG
@click.option("--catalog", required=True, help="The configured catalog, a JSON file.")
@click.option("--state", help="The state, a JSON file; none, or one that is not there, for a first read.")
@click.pass_obj
def read(source: Source, config: str, catalog: str, state: str | None) -> int:
    """Read the streams of a configured catalog."""
    text = Path(state).read_text(encoding="utf-8") if state and Path(state).is_file() else None
    return source.read(loaded(config, "config"), loaded(catalog, "catalog"), text)
