"""The stream `events`: what the receiver wrote to the inbox, in that order. It needs no call to the API, and no key.

The bookmark is the last sequence read. The state also names the inbox, so that another one is read from its beginning, and
the reader, so that the inbox knows who has delivered what.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import RecordMessage

from tap_canai.errors import SettingError
from tap_canai.normalising import normal
from tap_canai.streams import load_schema
from tap_canai.times import parse_utc
from tap_canai.webhooks.inbox import Inbox, Row

if TYPE_CHECKING:
    from tap_canai.tap import TapCanAI

OWN = ("event_id", "sequence", "event", "received_at")
LOCAL_FILTER = "user_ids"
"""The one filter that can be judged by an event alone."""


class Events(Stream):
    """Webhook events, by their place in the inbox."""

    name = "events"
    primary_keys: ClassVar = ["event_id"]
    replication_key = "sequence"
    is_sorted = True
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: TapCanAI) -> None:
        super().__init__(tap, schema=load_schema(self.name), name=self.name)
        self._canai = tap
        self._said_unknown: set[str] = set()

    def log(self, message: str, *args: Any, level: int = logging.INFO, **more: Any) -> None:
        """The SDK's log, less its line on any failure: ours says what to do."""
        if not message.startswith("An unhandled error occurred"):
            super().log(message, *args, level=level, **more)

    def check_settings(self) -> None:
        """Raises: SettingError for what cannot be kept to."""
        if self._canai.anonymize:
            raise SettingError(
                "Events hold personal data, and anonymize is on.",
                "Switch it off for the extractor that reads events.",
            )
        other = sorted(set(self._canai.filters) - {LOCAL_FILTER})
        if other:
            raise SettingError(
                f"Events cannot be filtered by {', '.join(other)}.",
                "Take the filter off for the extractor that reads events.",
            )

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """Events behind the bookmark, as far as they were there when the run began. Raises: SettingError, InboxError."""
        self.check_settings()
        inbox = Inbox.open(str(self.config["inbox_url"]))
        state = self.stream_state
        if state.get("inbox", inbox.identity) != inbox.identity:
            self.logger.info(
                "events: this is another inbox than before; it is read from its beginning"
            )
            state.pop("replication_key_value", None)
        reached = int(state.get("replication_key_value") or 0)
        reader = str(state.get("reader") or uuid.uuid4())
        inbox.note_reader(reader, reached)
        state |= {"inbox": inbox.identity, "reader": reader}
        last = inbox.last()
        while rows := [row for row in inbox.read(reached) if row.sequence <= last]:
            yield from self._wanted(rows)
            reached = rows[-1].sequence
            self._advance(reached)
        self._advance(reached)

    def _wanted(self, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
        users = set(self._canai.filters.get(LOCAL_FILTER, ()))
        for row in rows:
            if not users or row.data.get("user_id") in users:
                yield {
                    **row.data,
                    **{name: getattr(row, name) for name in OWN},
                    "timestamp": row.at,
                }

    def post_process(
        self, row: dict[str, Any], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The record in one form, unknown properties dropped, all known ones there."""
        known = self.schema["properties"]
        for name in row.keys() - known.keys() - self._said_unknown:
            self._said_unknown.add(name)
            self.logger.warning("events: the property %s is not in the schema and is dropped", name)
        return {name: normal(row.get(name), known[name], f"events.{name}") for name in known}

    def _increment_stream_state(
        self, latest_record: dict[str, Any], *, context: Any = None
    ) -> None:
        """The state moves by pages, not by records."""

    def _advance(self, to: int) -> None:
        state = self.stream_state
        state["replication_key"] = self.replication_key
        state["replication_key_value"] = to
        state.pop("starting_replication_value", None)
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _generate_record_messages(
        self, record: dict[str, Any]
    ) -> Generator[RecordMessage, None, None]:
        """Messages whose `time_extracted` is the moment the event happened: the time of observation."""
        moment: datetime = parse_utc(str(record["timestamp"]))
        for message in super()._generate_record_messages(record):
            message.time_extracted = moment
            yield message
