"""The Singer tap: it discovers the streams and reads them, each whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from typing import IO, Any, Self, cast

from singer_kit.plugin import CheckedFiles
from singer_kit.settings import bad_setting, command_line_settings
from singer_sdk import Stream, Tap
from singer_sdk.exceptions import ConfigValidationError

from tap_canai.api import ApiAccess, ExportApi
from tap_canai.audit import AuditLog, open_audit_log
from tap_canai.config_schema import CONFIG_SCHEMA
from tap_canai.errors import FatalError, StreamsFailedError
from tap_canai.export_stream import ExportStream
from tap_canai.exports import ExportClient
from tap_canai.input_files import catalog_of, check_catalog, check_state, state_of
from tap_canai.record_lines import LineWriter
from tap_canai.settings import Settings
from tap_canai.stream import CanAIStream
from tap_canai.streams import STREAM_NAMES, STREAMS

EVENTS = "events"


class TapCanAI(CheckedFiles, Tap):
    """Users, payments, deliverables and analytics of the CanAI platform; close it after use."""

    name = "tap-canai"
    package_name = "tap-canai"
    config_jsonschema = CONFIG_SCHEMA
    message_writer_class = LineWriter

    def __init__(self, **kwargs: Any) -> None:
        self._open = ExitStack()
        super().__init__(**kwargs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **more: Any) -> Self:
        """The tap with these settings; `more` is what the SDK's taps take. Raises: SettingError."""
        check_state(more.get("state"))
        check_catalog(more.get("catalog"))
        try:
            return cls(config=dict(config), **more)
        except ConfigValidationError as error:
            raise bad_setting(error.errors) from None

    def close(self) -> None:
        """Close the connections to the API and the audit log."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What the streams need

    @cached_property
    def settings(self) -> Settings:
        """The settings, each with its type."""
        return Settings(self.config)

    @cached_property
    def client(self) -> ExportClient:
        """The export API of these settings. Raises: SettingError."""
        settings = self.settings
        access = ApiAccess(
            url=settings.api_url,
            version=settings.api_version,
            keys=settings.api_keys,
            user_agent=f"{self.name}/{self.plugin_version}",
            requests_per_minute=settings.requests_per_minute,
            timeout_s=settings.request_timeout_s,
            read_keys=lambda: settings.api_keys,
        )
        api = ExportApi(access)
        self._open.callback(api.close)
        return ExportClient(api, settings.allow_private_hosts, self.audit_log.write)

    @cached_property
    def audit_log(self) -> AuditLog:
        """Where exports are recorded. Raises: SettingError."""
        log = open_audit_log(self.settings.audit_log)
        self._open.callback(log.close)
        return log

    @cached_property
    def end_date(self) -> datetime:
        """The end of every stream's range: the setting, or the API's clock. Raises: FatalError."""
        return self.settings.end_date or self.client.now()

    # Streams

    def discover_streams(self) -> Sequence[Stream]:
        """Every stream, `events` only where there is an inbox; no call is needed."""
        # the tap is given twice: as the SDK's, and as what ExportSource asks for
        streams: list[Stream] = [stream(self, self) for stream in STREAMS]
        if self.settings.inbox_url:
            from tap_canai.webhooks.stream import Events  # SQLAlchemy is slow to load

            streams.append(Events(self, self.settings))
        return streams

    def records_between(
        self, name: str, start: datetime, end: datetime
    ) -> Iterator[dict[str, Any]]:
        """Records of a stream in `[start, end)`, without any state. Raises: FatalError."""
        return cast(ExportStream, self.streams[name]).records_between(start, end)

    def sync_streams(self) -> None:
        """Read every selected stream; after a failure the others are still read.

        Every SCHEMA comes first: a target finds what does not fit before it writes a record.
        Raises: FatalError.
        """
        selected = self._selected_streams()
        if any(name != EVENTS for name in selected):
            self.client  # noqa: B018  # what is wrong for all of them is one error
        # as the SDK's sync_all begins, which would end with the first failure
        self._reset_state_progress_markers()
        self._set_compatible_replication_methods()
        failures: dict[str, FatalError] = {}
        for stream in selected.values():
            stream.write_schema()
        for name, stream in selected.items():
            try:
                stream.sync()
                stream.finalize_state_progress_markers()
            except FatalError as error:
                failures[name] = error
                self.logger.error("%s: %s", name, error)
        if len(failures) == 1:
            raise next(iter(failures.values()))
        if failures:
            raise StreamsFailedError(
                f"Streams failed: {', '.join(failures)}.", "Look at the messages above."
            )

    def _selected_streams(self) -> dict[str, CanAIStream]:
        """By name, in the order in which they are read."""
        streams = {name: self.streams.get(name) for name in (*STREAM_NAMES, EVENTS)}
        return {
            name: cast(CanAIStream, stream)
            for name, stream in streams.items()
            if stream is not None and stream.selected
        }

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Read the streams, as the SDK's command line calls it. Raises: FatalError."""
        if about:
            cls.print_about(output_format=about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        with cls.from_config(
            command_line_settings(cls, config),
            state=state_of(state),
            catalog=catalog_of(catalog),
        ) as tap:
            tap.sync_streams()
