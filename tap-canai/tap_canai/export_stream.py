"""A stream that is read from exports, window by window.

The bookmark is the earlier of a window's end and its export's `export_created_at`; it never moves
back. A run starts at the bookmark minus the lookback and ends at the API's clock, never at this
machine's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol

from singer_kit.times import CLOCK_SKEW, utc_text
from singer_sdk import Tap

from tap_canai.block_stream import BlockStream
from tap_canai.decoders.blocks import Block, Row
from tap_canai.decoders.reader import LONGEST_NAME, MAX_RECORD_BYTES
from tap_canai.errors import (
    CONTACT_SUPPORT,
    TRY_AGAIN,
    DownloadCutError,
    ExportBrokenError,
    ExportGoneError,
    PersonalDataError,
    SettingError,
    UnknownFieldsError,
)
from tap_canai.export_reader import ExportReader, FileContent
from tap_canai.export_state import ExportState
from tap_canai.exports import Export, ExportClient
from tap_canai.record_lines import ENCODER
from tap_canai.settings import Settings
from tap_canai.typed_form import UNREADABLE, TypedForm, typed_form
from tap_canai.windows import Window, prepared_ahead, windows_between

MOST_CUTS = 2
"""How often a download that broke off is read again."""
PERSONAL = frozenset(
    {
        "email",
        "user_email",
        "first_name",
        "last_name",
        "phone",
        "business_description",
        "location",
        "comment",
    }
)
"""Properties that an anonymised export does not contain."""


class ExportSource(Protocol):
    """What an export stream needs of the tap."""

    @property
    def settings(self) -> Settings:
        """The tap's settings."""

    @property
    def client(self) -> ExportClient:
        """The export API. Raises: SettingError."""

    @property
    def end_date(self) -> datetime:
        """Where the range ends. Raises: FatalError."""


class ExportStream(BlockStream):
    """A record set of an export type."""

    export_type: ClassVar[str]
    record_set: ClassVar[str]
    default_lookback_s: ClassVar[int] = 300
    swept: ClassVar[bool] = False
    """True if rows change without their replication key, so that sweeps read all of them again."""
    of_users: ClassVar[bool] = True
    """True if a record belongs to a user, so that its exports are filtered."""
    optional_fields: ClassVar[frozenset[str]] = frozenset()
    """Properties that an older API may not have."""
    is_sorted = False

    def __init__(self, tap: Tap, source: ExportSource) -> None:
        super().__init__(tap)
        self._source = source
        self._observed: datetime | None = None
        self._position = 0
        self._unavailable: frozenset[str] = frozenset()
        self._forms: dict[frozenset[str], TypedForm | None] = {}

    @cached_property
    def _reader(self) -> ExportReader:
        """Reads the files of this stream's exports. Raises: SettingError."""
        file_format = self._source.settings.file_format
        files = FileContent(self.record_set, self.schema, file_format)
        return ExportReader(self.name, self._source.client, files)

    # What to request

    @cached_property
    def selected_fields(self) -> list[str]:
        """Selected properties and the keys, in the schema's order."""
        keys = {*self.primary_keys, str(self.replication_key)}
        personal = PERSONAL if self._source.settings.anonymize else frozenset()
        return [
            name
            for name in self.schema["properties"]
            if name not in personal and (name in keys or self.mask.get(("properties", name), True))
        ]

    def request(self, start: datetime, end: datetime) -> dict[str, Any]:
        """The `ExportRequest` of a window."""
        settings = self._source.settings
        prefix = f"{self.record_set}." if self.export_type == "full_platform" else ""
        fields = [name for name in self.selected_fields if name not in self._unavailable]
        request: dict[str, Any] = {
            "export_type": self.export_type,
            "date_range": {"start": utc_text(start), "end": utc_text(end)},
            "data_fields": [prefix + name for name in fields],
            "format": settings.file_format,
            "include_metadata": True,
            "anonymize_data": settings.anonymize,
        }
        if self.of_users and settings.filters:
            request["user_filters"] = settings.filters
        if settings.compliance_mode:
            request["compliance_mode"] = settings.compliance_mode
        return request

    def export(self, window: Window) -> Export:
        """The export of a window. Raises: FatalError.

        Optional properties that the API does not know are left out of a second request.
        """
        client = self._source.client
        try:
            return client.create(self.request(*window))
        except UnknownFieldsError as error:
            names = frozenset(name.rpartition(".")[2] for name in error.names)
            if not names <= self.optional_fields:
                raise
            self._unavailable |= names
            self.logger.warning(
                "%s: the API does not have %s; they are null", self.name, ", ".join(sorted(names))
            )
            return client.create(self.request(*window))

    # Where to begin, and how far the stream has come

    @property
    def export_state(self) -> ExportState:
        """The stream's state."""
        return ExportState(self.name, self.stream_state)

    def windows(self, *, sweep: bool) -> list[Window]:
        """The windows of this run, from where the sweep or the bookmark is, minus the lookback.

        Raises: FatalError.
        """
        settings = self._source.settings
        start, end = settings.start_date, self._source.end_date
        if start > end:
            raise SettingError(
                f"start_date {utc_text(start, 0)} is after the end of the range, "
                f"{utc_text(end, 0)}: nothing would be read.",
                "Set an earlier start_date, or a later end_date.",
            )
        state = self.export_state
        self._check_reached(state.sweep_from, end)
        self._check_reached(state.bookmark, end)
        reached = state.sweep_from if sweep else state.bookmark
        if reached is not None:
            lookback = settings.lookback(self.name, self.default_lookback_s)
            start = reached - lookback if reached - start > lookback else start
        return list(windows_between(start, end, settings.window))

    def _check_reached(self, reached: datetime | None, end: datetime) -> None:
        """Raises: SettingError for a state of the future, after which nothing would be read."""
        if reached is None or reached <= end + CLOCK_SKEW:
            return
        if reached > self._source.client.now() + CLOCK_SKEW:
            raise SettingError(
                f"The state of {self.name} was read until {utc_text(reached, 0)}, which is in the "
                "future: nothing would be read.",
                "Fix the state, or run with a full refresh.",
            )

    def _advance(self, reached: datetime, *, sweep: bool, is_last: bool) -> None:
        """Move the bookmark, never back, note how far a sweep has come, and write the state."""
        state = self.export_state
        before = state.bookmark
        if sweep:
            state.note_sweep(reached, finished_at=self._source.end_date if is_last else None)
        self.write_bookmark(utc_text(reached if before is None else max(before, reached)))

    # Reading

    def rows(self, *, in_blocks: bool) -> Iterator[Row | Block]:
        """Rows of all windows; the state is written after each window. Raises: FatalError."""
        settings = self._source.settings
        if self.export_state.set_filters(settings.filter_hash if self.of_users else ""):
            self.logger.info("%s: the filters changed; reading from the start", self.name)
        sweep = self.swept and self.export_state.sweep_is_due(
            self._source.end_date, settings.sweep_interval
        )
        windows = self.windows(sweep=sweep)
        exports = prepared_ahead(self.export, windows, settings.parallel_exports)
        for window, export in zip(windows, exports, strict=True):
            created_at = yield from self._window_rows(window, export, in_blocks=in_blocks)
            is_last = window == windows[-1]
            self._advance(min(window.end, created_at), sweep=sweep, is_last=is_last)

    def records_between(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """Records of `[start, end)` in normal form, without any state. Raises: FatalError."""
        for window in windows_between(start, end, self._source.settings.window):
            for row in self._window_rows(window, self.export(window), in_blocks=False):
                if not isinstance(row, Block):
                    yield self.post_process(row)

    def _window_rows(
        self, window: Window, export: Export, *, in_blocks: bool
    ) -> Generator[Row | Block, None, datetime]:
        """Rows of a window; returns `export_created_at`. Raises: FatalError.

        If a download breaks off it is read again, if the files are gone the export is requested
        again: the records then repeat those before.
        """
        cuts = requests = 0
        form = self.form if in_blocks and self.form() else None
        while True:
            self._observed = self.not_ahead(export.created_at, self._source.client.now())
            try:
                yield from self._counted(self._reader.rows(export, form))
            except DownloadCutError:
                cuts += 1
                self._after_cut(cuts)
            except ExportGoneError:
                requests += 1
                export = self._requested_again(window, requests)
            else:
                return export.created_at

    def _after_cut(self, cuts: int) -> None:
        """Wait before a download is read again. Raises: FatalError after several cuts."""
        if cuts > MOST_CUTS:
            raise ExportBrokenError(
                f"The download of {self.name} broke off {cuts} times.",
                "Run again: the state is at the last window.",
            ) from None
        clock = self._source.client.api.clock
        clock.wait_before_retry(cuts, {}, f"The download of {self.name} broke off")

    def _requested_again(self, window: Window, requests: int) -> Export:
        """The new export, after its files were gone. Raises: FatalError the second time."""
        if requests > 1:
            raise ExportBrokenError(
                f"The files of {self.name} were unavailable twice.",
                f"Check the storage's clock, and proxies on the way. {TRY_AGAIN}",
            ) from None
        self.logger.info("the files of an export are gone; requesting the export again")
        return self.export(window)

    # Records

    @property
    def observed(self) -> datetime | None:
        """When the present export was made."""
        return self._observed

    def form(self) -> TypedForm | None:
        """The typed form of the selected properties.

        It drops properties that were reported as unknown, but no personal data: that is an error
        in an anonymised export.
        """
        unknown = self.unknown.names
        if self._source.settings.anonymize:
            unknown -= PERSONAL
        if unknown not in self._forms:
            self._forms = {
                unknown: typed_form(
                    self.name, self.schema, self.selected_fields, self.primary_keys, unknown
                )
            }
        return self._forms[unknown]

    def _counted(self, rows: Iterator[Row | Block]) -> Iterator[Row | Block]:
        """The rows; those in blocks count for messages that name a position."""
        for row in rows:
            if isinstance(row, Block):
                self._position += len(row)
            yield row

    def observed_at(self, record: Mapping[str, Any]) -> datetime | None:
        """When the export was made."""
        return self._observed

    def post_process(
        self, row: dict[str, Any], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The selected properties in normal form. Raises: FatalError."""
        record = self.normal_record(row, self.selected_fields)
        self._check_key(record)
        if self._source.settings.anonymize:
            self._check_anonymous(row)
        if len(ENCODER.encode(record)) > MAX_RECORD_BYTES:
            key = "/".join(str(record[name]) for name in self.primary_keys)
            raise ExportBrokenError(
                f"The record {key[:LONGEST_NAME]} of {self.name} has more than {MAX_RECORD_BYTES} "
                "bytes.",
                "Deselect its long properties.",
            )
        return record

    def _check_key(self, record: Mapping[str, Any]) -> None:
        """Raises: ExportBrokenError for a record that has no identity."""
        self._position += 1
        for name in self.primary_keys:
            value = record[name]
            if value is None or (isinstance(value, str) and UNREADABLE in value):
                raise ExportBrokenError(
                    f"The record {self._position} of {self.name} in this run has no valid {name}.",
                    f"It is a key, so nothing can be done without it. {CONTACT_SUPPORT}",
                )

    def _check_anonymous(self, row: Mapping[str, Any]) -> None:
        """Raises: PersonalDataError."""
        personal = sorted(name for name in PERSONAL if row.get(name) not in (None, ""))
        if personal:
            raise PersonalDataError(
                f"An anonymised export of {self.name} contains {', '.join(personal)}.",
                f"Nothing of it was passed on. {CONTACT_SUPPORT}",
            )
