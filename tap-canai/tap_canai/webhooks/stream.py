"""The stream `events`: what the receiver wrote to the inbox, in that order.

It needs no call to the API, and no key. The bookmark is the last sequence read. The state also
names the inbox, so that another one is read from its beginning, and the reader, so that the inbox
knows who has delivered what.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from singer_kit.times import parse_utc
from singer_sdk import Tap

from tap_canai.errors import SettingError
from tap_canai.settings import Settings
from tap_canai.stream import CanAIStream
from tap_canai.webhooks.inbox import Inbox, Row

FROM_THE_INBOX = ("event_id", "sequence", "event", "received_at")
LOCAL_FILTER = "user_ids"
"""The only filter that an event alone can be judged by."""


class Events(CanAIStream):
    """Webhook events, by their place in the inbox."""

    name = "events"
    primary_keys: ClassVar = ["event_id"]
    replication_key = "sequence"
    is_sorted = True

    def __init__(self, tap: Tap, settings: Settings) -> None:
        super().__init__(tap)
        self._settings = settings

    def check_settings(self) -> None:
        """Raises: SettingError for settings that events cannot keep to."""
        if self._settings.anonymize:
            raise SettingError(
                "Events contain personal data, and anonymize is on.",
                "Switch it off for the extractor that reads events.",
            )
        other = sorted(set(self._settings.filters) - {LOCAL_FILTER})
        if other:
            raise SettingError(
                f"Events cannot be filtered by {', '.join(other)}.",
                "Take the filter off for the extractor that reads events.",
            )

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """Events behind the bookmark that were in the inbox when the run began.

        Raises: SettingError, InboxError.
        """
        self.check_settings()
        with Inbox.open(self._settings.inbox_url) as inbox:
            reached = self._begin(inbox)
            last = inbox.last()
            while rows := [row for row in inbox.read(reached) if row.sequence <= last]:
                yield from self._records(rows)
                reached = rows[-1].sequence
                self.write_bookmark(reached)
            self.write_bookmark(reached)

    def _begin(self, inbox: Inbox) -> int:
        """Note in the inbox and the state who reads; returns the bookmark. Raises: InboxError."""
        state = self.stream_state
        if state.get("inbox", inbox.identity) != inbox.identity:
            self.logger.info(
                "events: this is another inbox than before; it is read from its beginning"
            )
            state.pop("replication_key_value", None)
        reached = int(state.get("replication_key_value") or 0)
        reader = str(state.get("reader") or uuid.uuid4())
        # what the last run wrote into the state was delivered: the target released that state
        inbox.note_reader(reader, reached)
        state |= {"inbox": inbox.identity, "reader": reader}
        return reached

    def _records(self, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
        users = set(self._settings.filters.get(LOCAL_FILTER, ()))
        for row in rows:
            if not users or row.data.get("user_id") in users:
                place = {name: getattr(row, name) for name in FROM_THE_INBOX}
                yield {**row.data, **place, "timestamp": row.at}

    def post_process(
        self, row: dict[str, Any], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """All properties of the schema in normal form. Raises: SchemaDriftError."""
        return self.normal_record(row, self.schema["properties"])

    def observed_at(self, record: Mapping[str, Any]) -> datetime | None:
        """When the event happened; not after it was received."""
        return self.not_ahead(parse_utc(record["timestamp"]), parse_utc(record["received_at"]))
