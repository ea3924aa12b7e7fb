"""What the tap's streams share: their schemas, hooks of the SDK, and how their state moves.

Records leave in one form and with the time of observation; the state moves by pages, not by
records.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from typing import Any

from singer_kit.times import not_ahead
from singer_sdk import Stream, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import RecordMessage

from tap_canai.normal_form import normal
from tap_canai.schema_files import load_schema
from tap_canai.unknown_properties import UnknownProperties


class CanAIStream(Stream):
    """A stream whose schema is a file and whose state moves by pages."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    """Records are in their normal form already."""

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap, schema=load_schema(self.name), name=self.name)
        self.unknown = UnknownProperties(self.name, self.logger)
        self._future_logged = False
        self._schema_written = False

    def write_schema(self) -> None:
        """Write the SCHEMA, unless it is written already."""
        if not self._schema_written:
            super()._write_schema_message()
            self._schema_written = True

    def _write_schema_message(self) -> None:
        self.write_schema()

    @abstractmethod
    def observed_at(self, record: Mapping[str, Any]) -> datetime | None:
        """When the source was seen to hold a record's values."""

    def not_ahead(self, moment: datetime, now: datetime) -> datetime:
        """An observed time; now instead of the future, which the log reports once."""
        observed = not_ahead(moment, now)
        if observed != moment and not self._future_logged:
            self._future_logged = True
            self.logger.warning(
                "%s: records were observed in the future, at %s: they count as observed at %s",
                self.name,
                moment.isoformat(),
                now.isoformat(),
            )
        return observed

    def normal_record(self, row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """These properties of a row in their normal form; missing ones are null.

        A property that the schema does not know is dropped, and logged once: see UnknownProperties.

        Raises: SchemaDriftError.
        """
        known = self.schema["properties"]
        self.unknown.note(row, known)
        return {name: normal(row.get(name), known[name], f"{self.name}.{name}") for name in names}

    def write_bookmark(self, value: object) -> None:
        """Set the bookmark and write the state."""
        state = self.stream_state
        state["replication_key"] = self.replication_key
        state["replication_key_value"] = value
        state.pop("starting_replication_value", None)
        # the SDK takes a state as written until a record comes; a page may have had none
        self.state_manager.is_flushed = False
        self._write_state_message()

    # Hooks of the SDK

    def log(self, message: str, *args: Any, level: int = logging.INFO, **more: Any) -> None:
        """The SDK's log without its line on any failure: our own line says what to do."""
        if not message.startswith("An unhandled error occurred"):
            super().log(message, *args, level=level, **more)

    def _increment_stream_state(
        self, latest_record: dict[str, Any], *, context: Any = None
    ) -> None:
        """Does nothing: a page counts only once all of its records are out."""

    def _generate_record_messages(
        self, record: dict[str, Any]
    ) -> Generator[RecordMessage, None, None]:
        """Messages whose `time_extracted` is the time of observation.

        The SDK would set this machine's time, and the newest observation wins in the CRM.
        """
        moment = self.observed_at(record)
        for message in super()._generate_record_messages(record):
            message.time_extracted = moment
            yield message
