"""The streams. A class says which export it is; `ExportStream` reads windows and keeps the state.

The bookmark is the smaller of a window's end and its export's `export_created_at`; it never moves back. Each run starts
at the bookmark less the lookback and ends at the API's clock, never at this machine's.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, cast

import requests
import urllib3
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import RecordMessage

from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import MAX_RECORD_BYTES, CountingReader
from tap_canai.errors import ExportBroken, ExportGone, PersonalData, SettingError, UnknownFields
from tap_canai.exports import Export, ExportClient, ExportFile
from tap_canai.normalising import normal
from tap_canai.times import parse_utc, utc_text

if TYPE_CHECKING:
    from tap_canai.tap import TapCanAI

DAY_S = 86_400
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
"""Properties that an anonymised export does not hold."""


def load_schema(name: str) -> dict[str, Any]:
    """The schema of a stream, from its file."""
    loaded: dict[str, Any] = json.loads(
        (resources.files("tap_canai") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    )
    return loaded


class ExportStream(Stream):
    """A record set of an export type, read window by window."""

    export_type: ClassVar[str]
    record_set: ClassVar[str]
    default_lookback_s: ClassVar[int] = 300
    swept: ClassVar[bool] = False
    """Whether rows change without their replication key moving, so that all are read again every `sweep_days`."""
    of_users: ClassVar[bool] = True
    """Whether a record belongs to a user, so that filters go with its exports."""
    optional_fields: ClassVar[frozenset[str]] = frozenset()
    """Properties that an older API may not have."""
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    is_sorted = False

    def __init__(self, tap: TapCanAI) -> None:
        super().__init__(tap, schema=load_schema(self.name), name=self.name)
        self._canai = tap
        self._observed: datetime | None = None
        self._said_unknown: set[str] = set()
        self._unavailable: frozenset[str] = frozenset()

    @property
    def client(self) -> ExportClient:
        """The API."""
        return self._canai.client

    @cached_property
    def lookback(self) -> timedelta:
        """How far before the bookmark a run starts."""
        given = (self.config.get("lookback_seconds") or {}).get(self.name, self.default_lookback_s)
        return timedelta(seconds=float(given))

    def log(self, message: str, *args: Any, level: int = logging.INFO, **more: Any) -> None:
        """The SDK's log, less its line on any failure: ours says what to do."""
        if not message.startswith("An unhandled error occurred"):
            super().log(message, *args, level=level, **more)

    # What to ask for

    @cached_property
    def selected_fields(self) -> list[str]:
        """Selected properties and the keys, in the schema's order."""
        keys = {*self.primary_keys, str(self.replication_key)}
        personal = PERSONAL if self._canai.anonymize else frozenset()
        names = [
            name
            for name in self.schema["properties"]
            if name in keys or self.mask.get(("properties", name), True)
        ]
        return [name for name in names if name not in personal]

    def request(self, start: datetime, end: datetime) -> dict[str, Any]:
        """The `ExportRequest` of a window `[start, end)`."""
        prefix = f"{self.record_set}." if self.export_type == "full_platform" else ""
        request: dict[str, Any] = {
            "export_type": self.export_type,
            "date_range": {"start": utc_text(start), "end": utc_text(end)},
            "data_fields": [
                prefix + name for name in self.selected_fields if name not in self._unavailable
            ],
            "format": self._canai.format,
            "include_metadata": True,
            "anonymize_data": self._canai.anonymize,
        }
        if self.of_users and self._canai.filters:
            request["user_filters"] = self._canai.filters
        if self.config.get("compliance_mode"):
            request["compliance_mode"] = self.config["compliance_mode"]
        return request

    def export(self, start: datetime, end: datetime) -> Export:
        """The export of a window; asked for once more without optional properties that the API does not know. Raises: TapError."""
        try:
            return self.client.create(self.request(start, end))
        except UnknownFields as error:
            names = frozenset(name.rpartition(".")[2] for name in error.names)
            if not names <= self.optional_fields:
                raise
            self._unavailable |= names
            self.logger.warning(
                "%s: the API does not have %s; they are null", self.name, ", ".join(sorted(names))
            )
            return self.client.create(self.request(start, end))

    # Where to begin

    def bookmark(self) -> datetime | None:
        """The bookmark of the state, in any notation; None at first. Raises: SettingError for one that is no time."""
        return self._moment("replication_key_value")

    def _moment(self, name: str) -> datetime | None:
        value = self.stream_state.get(name)
        if not value:
            return None
        try:
            return parse_utc(str(value))
        except ValueError:
            raise SettingError(
                f"The state of {self.name} holds no timestamp.",
                "Mend the state, or run with a full refresh.",
            ) from None

    def prepare_state(self) -> None:
        """Start afresh where the filters are not those of the state."""
        state = self.stream_state
        wanted = self._canai.filter_hash if self.of_users else ""
        if state.get("filter", "") != wanted:
            if state.get("replication_key_value"):
                self.logger.info("%s: the filters changed; reading from the start", self.name)
            for name in ("replication_key_value", "swept_at", "sweep_from"):
                state.pop(name, None)
        if wanted:
            state["filter"] = wanted
        else:
            state.pop("filter", None)

    def sweeps(self) -> bool:
        """Whether this run reads everything again, since the last time is `sweep_days` ago."""
        if not self.swept:
            return False
        if self._moment("sweep_from") is not None:
            return True
        last = self._moment("swept_at") or self.bookmark()
        return last is None or self._canai.end_date - last >= timedelta(
            days=float(self.config["sweep_days"])
        )

    def windows(self, *, sweep: bool) -> Iterator[tuple[datetime, datetime]]:
        """Windows `[start, end)` to the end of the range, from where the sweep or the bookmark stands, less the lookback."""
        first = self._canai.start_date
        reached = self._moment("sweep_from") if sweep else self.bookmark()
        start = first if reached is None else max(first, reached - self.lookback)
        end = self._canai.end_date
        step = timedelta(days=float(self.config["window_days"]))
        while start < end:
            yield start, min(start + step, end)
            start += step

    # Reading

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """Records of all windows; after each window the state goes out. Raises: TapError."""
        self.prepare_state()
        sweep = self.sweeps()
        windows = list(self.windows(sweep=sweep))
        for (start, end), prepared in zip(windows, self._prepared(windows), strict=True):
            created_at = yield from self._window(start, end, prepared)
            self._advance(min(end, created_at), sweep=sweep, done=(start, end) == windows[-1])

    def records_between(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """Records of `[start, end)` in the form of the stream, without any state. Raises: TapError."""
        step = timedelta(days=float(self.config["window_days"]))
        while start < end:
            until = min(start + step, end)
            yield from map(self.post_process, self._window(start, until, self.export(start, until)))
            start = until

    def _prepared(self, windows: Sequence[tuple[datetime, datetime]]) -> Iterator[Export]:
        """Exports of the windows in order, a few of them asked for ahead. Raises: TapError."""
        ahead = int(self.config["parallel_exports"])
        waiting: deque[Future[Export]] = deque()
        left = iter(windows)
        with ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="export") as pool:
            try:
                for window in islice(left, ahead):
                    waiting.append(pool.submit(self.export, *window))
                while waiting:
                    export = waiting.popleft().result()
                    yield export
                    for window in islice(left, 1):
                        waiting.append(pool.submit(self.export, *window))
            finally:
                for one in waiting:
                    one.cancel()

    def _window(
        self, start: datetime, end: datetime, prepared: Export
    ) -> Generator[dict[str, Any], None, datetime]:
        """Records of one window; asks for the export once more where its files are gone. Returns export_created_at."""
        export = prepared
        for attempt in (1, 2):
            self._observed = export.created_at
            try:
                yield from self._files(export)
            except ExportGone:
                if attempt == 2:
                    hint = "Run again; if it stays, check the clock of the storage and proxies on the way."
                    raise ExportBroken(f"The files of {self.name} were gone twice.", hint) from None
                self.logger.info("the files of an export are gone; asking for the export again")
                export = self.export(start, end)
                continue
            break
        return export.created_at

    def _files(self, export: Export) -> Iterator[dict[str, Any]]:
        """Records of every file, which must be as announced, each and in sum. Raises: ExportGone, TapError."""
        total = size = 0
        for file in export.files:
            count, length = yield from self._file(export, file)
            if count != file.records or length != file.bytes:
                raise self._not_whole(export, (file.records, file.bytes), (count, length))
            total, size = total + count, size + length
        if total != export.records or size != export.bytes:
            raise self._not_whole(export, (export.records, export.bytes), (total, size))

    def _not_whole(
        self, export: Export, announced: tuple[int, int], came: tuple[int, int]
    ) -> ExportBroken:
        told = f"{announced[0]} records in {announced[1]} bytes were announced, {came[0]} in {came[1]} came"
        return ExportBroken(
            f"The export {export.export_id} of {self.name} is not whole: {told}.",
            "Run again; if it stays, tell CanAI's support.",
        )

    def _file(
        self, export: Export, file: ExportFile
    ) -> Generator[dict[str, Any], None, tuple[int, int]]:
        """Records of one file, then their number and the file's length. Raises: ExportGone, TapError."""
        count = 0
        decode = DECODERS[self._canai.format]
        with self.client.download(export, file) as response:
            response.raw.decode_content = True
            reader = CountingReader(cast(Any, response.raw))
            try:
                for record in decode(reader, self.record_set, self.schema):
                    count += 1
                    yield record
                reader.drain()
            except (
                urllib3.exceptions.HTTPError,
                requests.exceptions.RequestException,
                ConnectionError,
            ):
                raise ExportBroken(
                    f"The download of {self.name} broke off.",
                    "Run again: the state stands at the last window.",
                ) from None
        return count, reader.bytes

    def post_process(
        self, row: dict[str, Any], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The record in one form, unknown properties dropped, all known ones there. Raises: SchemaDrift, PersonalData."""
        known = self.schema["properties"]
        for name in row.keys() - known.keys() - self._said_unknown:
            self._said_unknown.add(name)
            self.logger.warning(
                "%s: the property %s is not in the schema and is dropped", self.name, name
            )
        try:
            record = {
                name: normal(row.get(name), known[name], f"{self.name}.{name}")
                for name in self.selected_fields
            }
            size = len(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        except RecursionError:
            raise ExportBroken(
                f"A record of {self.name} is nested too deep.", "Tell CanAI's support."
            ) from None
        if self._canai.anonymize:
            self._check_anonymous(row)
        if size > MAX_RECORD_BYTES:
            key = "/".join(str(record[name]) for name in self.primary_keys)
            raise ExportBroken(
                f"The record {key} of {self.name} has more than {MAX_RECORD_BYTES} bytes.",
                "Deselect its long properties.",
            )
        return record

    def _check_anonymous(self, row: Mapping[str, Any]) -> None:
        found = sorted(name for name in PERSONAL if row.get(name) not in (None, ""))
        if found:
            hint = "Nothing of it was passed on; tell CanAI's support."
            raise PersonalData(
                f"An anonymised export of {self.name} holds {', '.join(found)}.", hint
            )

    # State

    def _increment_stream_state(
        self, latest_record: dict[str, Any], *, context: Any = None
    ) -> None:
        """The state moves by windows, not by records."""

    def _advance(self, to: datetime, *, sweep: bool, done: bool) -> None:
        """Move the bookmark, never back, note where a sweep stands, and write the state."""
        before = self.bookmark()
        state = self.stream_state
        state["replication_key"] = self.replication_key
        state["replication_key_value"] = utc_text(to if before is None else max(before, to))
        if sweep:
            state["sweep_from"] = utc_text(to)
        if sweep and done:
            del state["sweep_from"]
            state["swept_at"] = utc_text(self._canai.end_date)
        state.pop("starting_replication_value", None)
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _generate_record_messages(
        self, record: dict[str, Any]
    ) -> Generator[RecordMessage, None, None]:
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
    swept = True
    optional_fields = frozenset({"first_name", "last_name", "phone", "preferred_product_track"})


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
    swept = True


class Analytics(ExportStream):
    """One record a whole UTC day."""

    name = "analytics"
    export_type = "analytics"
    record_set = "analytics"
    primary_keys: ClassVar = ["period_start", "period_end"]
    replication_key = "period_end"
    default_lookback_s = 3 * DAY_S
    of_users = False


class JourneyAnalytics(Analytics):
    """The journey's measures, one record a whole UTC day."""

    name = "journey_analytics"


class RevenueAnalytics(Analytics):
    """Revenue's measures, one record a whole UTC day."""

    name = "revenue_analytics"


class Feedback(ExportStream):
    """Ratings, comments, NPS and support requests, by their submission."""

    name = "feedback"
    export_type = "full_platform"
    record_set = "feedback"
    primary_keys: ClassVar = ["feedback_id"]
    replication_key = "submitted_at"


class Sessions(ExportStream):
    """Sessions, by their beginning."""

    name = "sessions"
    export_type = "full_platform"
    record_set = "sessions"
    primary_keys: ClassVar = ["session_id"]
    replication_key = "started_at"


STREAMS: tuple[type[ExportStream], ...] = (
    Users, Payments, Deliverables, Analytics, JourneyAnalytics, RevenueAnalytics, Feedback, Sessions,
)  # fmt: skip
STREAM_ORDER = (
    "users",
    "payments",
    "deliverables",
    "analytics",
    "journey_analytics",
    "revenue_analytics",
    "feedback",
    "sessions",
)
"""People come before what links to them."""


def catalog_entry(name: str, *, selected: bool, fields: Collection[str]) -> dict[str, Any]:
    """A stream's entry of a Singer catalog with these properties, and the keys, selected; none means all."""
    stream: Any = next(one for one in STREAMS if cast(Any, one).name == name)
    schema = load_schema(name)
    keys = {*stream.primary_keys, stream.replication_key}
    chosen: list[dict[str, Any]] = [{"breadcrumb": [], "metadata": {"selected": selected}}]
    for one in schema["properties"]:
        chosen.append(
            {
                "breadcrumb": ["properties", one],
                "metadata": {"selected": not fields or one in fields or one in keys},
            }
        )
    return {
        "tap_stream_id": name,
        "stream": name,
        "schema": schema,
        "metadata": chosen,
        "key_properties": list(stream.primary_keys),
        "replication_key": stream.replication_key,
        "replication_method": "INCREMENTAL",
    }
