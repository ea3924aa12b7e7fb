"""The streams. A class says which export it is; `ExportStream` reads windows and keeps the state.

The bookmark is the smaller of a window's end and its export's `export_created_at`; it never moves back. Each run starts
at the bookmark less the lookback and ends at the API's clock, never at this machine's.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, cast

import requests
import urllib3
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import RecordMessage

from tap_canai.decoders.json import CountingReader, records
from tap_canai.errors import ExportBroken, ExportGone, SchemaDrift, SettingError
from tap_canai.exports import Export, ExportClient
from tap_canai.times import parse_utc, utc_text

if TYPE_CHECKING:
    from tap_canai.tap import TapCanAI

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "boolean": (bool,),
    "null": (type(None),),
}
DAY_S = 86_400


def load_schema(name: str) -> dict[str, Any]:
    """The schema of a stream, from its file."""
    loaded: dict[str, Any] = json.loads((resources.files("tap_canai") / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


class ExportStream(Stream):
    """A record set of an export type, read window by window."""

    export_type: ClassVar[str]
    record_set: ClassVar[str]
    default_lookback_s: ClassVar[int] = 300
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    is_sorted = False

    def __init__(self, tap: TapCanAI) -> None:
        super().__init__(tap, schema=load_schema(self.name), name=self.name)
        self._canai = tap
        self._observed: datetime | None = None
        self._said_unknown: set[str] = set()

    @property
    def client(self) -> ExportClient:
        """The API."""
        return self._canai.client

    @cached_property
    def lookback(self) -> timedelta:
        """How far before the bookmark a run starts."""
        given = (self.config.get("lookback_seconds") or {}).get(self.name, self.default_lookback_s)
        return timedelta(seconds=float(given))

    # What to ask for

    @cached_property
    def selected_fields(self) -> list[str]:
        """Selected properties and the keys, in the schema's order."""
        keys = {*self.primary_keys, str(self.replication_key)}
        return [name for name in self.schema["properties"] if name in keys or self.mask.get(("properties", name), True)]

    def request(self, start: datetime, end: datetime) -> dict[str, Any]:
        """The `ExportRequest` of a window `[start, end)`."""
        prefix = f"{self.record_set}." if self.export_type == "full_platform" else ""
        return {
            "export_type": self.export_type,
            "date_range": {"start": utc_text(start), "end": utc_text(end)},
            "data_fields": [prefix + name for name in self.selected_fields],
            "format": "json",
            "include_metadata": True,
            "anonymize_data": False,
        }

    def bookmark(self) -> datetime | None:
        """The bookmark of the state, in any notation; None at first. Raises: SettingError for one that is no time."""
        value = self.stream_state.get("replication_key_value")
        if not value:
            return None
        try:
            return parse_utc(str(value))
        except ValueError:
            raise SettingError(f"The state of {self.name} holds no timestamp.", "Mend the state, or run with a full refresh.") from None

    def windows(self) -> Iterator[tuple[datetime, datetime]]:
        """Windows `[start, end)` from the bookmark less the lookback to the end of the range."""
        first = self._canai.start_date
        bookmark = self.bookmark()
        start = first if bookmark is None else max(first, bookmark - self.lookback)
        end = self._canai.end_date
        step = timedelta(days=float(self.config["window_days"]))
        while start < end:
            yield start, min(start + step, end)
            start += step

    # Reading

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """Records of all windows; after each window the state goes out. Raises: TapError."""
        for start, end in self.windows():
            created_at = yield from self._window(start, end)
            self._advance(min(end, created_at))

    def _window(self, start: datetime, end: datetime) -> Generator[dict[str, Any], None, datetime]:
        """Records of one window; asks for the export once more where its file is gone. Returns export_created_at."""
        for attempt in (1, 2):
            export = self.client.create(self.request(start, end))
            self._observed = export.created_at
            try:
                yield from self._file(export)
            except ExportGone:
                if attempt == 2:
                    hint = "Run again; if it stays, check the clock of the storage and proxies on the way."
                    raise ExportBroken(f"The file of {self.name} was gone twice.", hint) from None
                self.logger.info("the file of an export is gone; asking for the export again")
                continue
            return export.created_at
        raise AssertionError("unreachable")

    def _file(self, export: Export) -> Iterator[dict[str, Any]]:
        """Records of a file, whose length and count must be as announced. Raises: ExportGone, TapError."""
        count = 0
        with self.client.download(export) as response:
            response.raw.decode_content = True
            reader = CountingReader(cast(Any, response.raw))
            try:
                for record in records(reader, self.record_set):
                    count += 1
                    yield record
                reader.drain()
            except (urllib3.exceptions.HTTPError, requests.exceptions.RequestException, ConnectionError):
                raise ExportBroken(f"The download of {self.name} broke off.", "Run again: the state stands at the last window.") from None
        if count != export.records or reader.bytes != export.bytes:
            told = f"{export.records} records in {export.bytes} bytes were announced, {count} in {reader.bytes} came"
            raise ExportBroken(
                f"The export {export.export_id} of {self.name} is not whole: {told}.", "Run again; if it stays, tell CanAI's support."
            )

    def post_process(self, row: dict[str, Any], context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The record with empty strings as null, unknown properties dropped, types checked. Raises: SchemaDrift."""
        known = self.schema["properties"]
        record = {}
        for name, value in row.items():
            if name not in known:
                if name not in self._said_unknown:
                    self._said_unknown.add(name)
                    self.logger.warning("%s: the property %s is not in the schema and is dropped", self.name, name)
                continue
            value = None if value == "" else value
            self._check_type(name, known[name], value)
            record[name] = value
        return record

    def _check_type(self, name: str, schema: Mapping[str, Any], value: object) -> None:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = any(isinstance(value, PYTHON_TYPES[one]) for one in types)
        if isinstance(value, bool) and "boolean" not in types:
            fits = False
        if not fits:
            wanted = " or ".join(types)
            raise SchemaDrift(
                f"{self.name}.{name} should be {wanted}, the API gives {type(value).__name__}.",
                "Update tap-canai, or tell CanAI's support.",
            )

    # State

    def _increment_stream_state(self, latest_record: dict[str, Any], *, context: Any = None) -> None:
        """The state moves by windows, not by records."""

    def _advance(self, to: datetime) -> None:
        """Move the bookmark, never back, and write the state."""
        before = self.bookmark()
        state = self.stream_state
        state["replication_key"] = self.replication_key
        state["replication_key_value"] = utc_text(to if before is None else max(before, to))
        state.pop("starting_replication_value", None)
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _generate_record_messages(self, record: dict[str, Any]) -> Generator[RecordMessage, None, None]:
        """Messages whose `time_extracted` is the moment the export was made: the time of observation."""
        for message in super()._generate_record_messages(record):
            message.time_extracted = self._observed
            yield message


class Users(ExportStream):
    """Users, by their last activity."""

    name = "users"
    export_type = "user_data"
    record_set = "users"
    primary_keys: ClassVar = ["user_id"]
    replication_key = "last_active_at"


class Payments(ExportStream):
    """Payments, by their last change. The guide names the category and no export type: the full platform holds them."""

    name = "payments"
    export_type = "full_platform"
    record_set = "payments"
    primary_keys: ClassVar = ["payment_id"]
    replication_key = "updated_at"


class Deliverables(ExportStream):
    """Deliverables, by their creation."""

    name = "deliverables"
    export_type = "deliverables"
    record_set = "deliverables"
    primary_keys: ClassVar = ["deliverable_id"]
    replication_key = "created_at"
    default_lookback_s = 7 * DAY_S


class Analytics(ExportStream):
    """One record a whole UTC day."""

    name = "analytics"
    export_type = "analytics"
    record_set = "analytics"
    primary_keys: ClassVar = ["period_start", "period_end"]
    replication_key = "period_end"
    default_lookback_s = 3 * DAY_S


STREAMS: tuple[type[ExportStream], ...] = (Users, Payments, Deliverables, Analytics)
STREAM_ORDER = ("users", "payments", "deliverables", "analytics")
"""People come before what links to them."""
