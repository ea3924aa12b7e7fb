"""A stream that writes its records in blocks, where the SDK would do nothing but write them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from singer_sdk import Tap
from singer_sdk.mapper import SameRecordTransform

from tap_canai.decoders.blocks import Block
from tap_canai.record_lines import LineWriter, record_lines
from tap_canai.stream import CanAIStream

Record = Mapping[str, Any]


class BlockStream(CanAIStream):
    """A stream whose rows come one by one or in blocks."""

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        writer = tap.message_writer
        self._writer = writer if isinstance(writer, LineWriter) else None

    @abstractmethod
    def rows(self, *, in_blocks: bool) -> Iterator[dict[str, Any] | Block]:
        """The stream's rows; those in blocks are in normal form. Raises: FatalError."""

    @property
    @abstractmethod
    def observed(self) -> datetime | None:
        """When the source was seen to hold the present rows."""

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """The rows, one by one. Raises: FatalError."""
        for row in self.rows(in_blocks=False):
            if not isinstance(row, Block):
                yield row

    def writes_records_as_they_are(self) -> bool:
        """Returns False if the SDK has more to do with a record than to write it."""
        return (
            self.ABORT_AT_RECORD_COUNT is None
            and not self.emit_activate_version_messages
            and self.selected
            and self._keeps_every_property()
            and [type(each) for each in self.stream_maps] == [SameRecordTransform]
            and self.stream_maps[0].stream_alias == self.name
            and not self.stream_maps[0].flattening_enabled
        )

    @property
    @abstractmethod
    def selected_fields(self) -> list[str]:
        """The properties of a record."""

    def _keeps_every_property(self) -> bool:
        """Returns False if the SDK would take something out of a record."""
        fields = set(self.selected_fields)
        return all(
            selected
            for breadcrumb, selected in self.mask.items()
            if len(breadcrumb) > 1 and breadcrumb[1] in fields
        )

    # Hooks of the SDK

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """As the SDK does it, but for a block of records what it does for a record."""
        writer = self._writer
        as_they_are = write_messages and not context and self.writes_records_as_they_are()
        if writer is None or not as_they_are:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        counter, timer = self.get_record_counter(), self.get_sync_timer()
        with counter, timer:
            counter.with_context({})
            timer.with_context({})
            self._write_starting_replication_value(None)
            for part in self._parts():
                writer.write_lines(record_lines(self.name, part, self.observed))
                self.state_manager.is_flushed = False
                counter.increment(len(part))
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _parts(self) -> Iterator[Sequence[Any]]:
        """Records in normal form; after as many as the SDK has between two STATEs comes a STATE."""
        written = 0
        for row in self.rows(in_blocks=True):
            records = row.records if isinstance(row, Block) else [self.post_process(row)]
            while records:
                room = self.STATE_MSG_FREQUENCY - written % self.STATE_MSG_FREQUENCY
                yield records[:room]
                written += len(records[:room])
                records = records[room:]
                if written % self.STATE_MSG_FREQUENCY == 0:
                    self._write_state_message()
