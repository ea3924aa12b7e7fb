"""The SDK's sink, reduced to collecting raw records: validation and conversion are stage 2's.

This module owns the SDK's protected hooks of a sink; `tests/singer/test_sdk_hooks.py` fails if the
SDK changes under them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from singer_sdk.sinks import BatchSink

from reverse_etl.pipeline.receive import EXTRACTED_AT
from reverse_etl.singer.states import StateQueue


class BlockTarget(Protocol):
    """What a sink needs of its target."""

    states: StateQueue
    """Counts the records read so far."""

    def open_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> None:
        """Make a stream ready before its first record."""

    def drain_parents(self, stream: str) -> None:
        """Drain the streams that feed the other ends of a stream's links."""

    def run_block(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Take a block through the stages."""


class RawSink(BatchSink):
    """Takes records as they come. The SDK's own checks would end the run at the first bad one."""

    first_pending: int | None = None
    """Position, among all records of the run, of the first one that is not settled."""

    def get_validator(self) -> None:
        """None: stage 2 validates."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        # The SDK would raise on a bad timestamp before any code of ours saw the record.
        return record


class CrmSink(RawSink):
    """Blocks of one mapped stream."""

    MAX_SIZE_DEFAULT = 10_000

    def __init__(
        self, target: Any, stream_name: str, schema: dict[str, Any], key_properties: Any
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.logger.setLevel(logging.INFO)  # at DEBUG the SDK logs every record
        self.blocks: BlockTarget = target
        self.is_open = False

    @property
    def include_sdc_metadata_properties(self) -> bool:
        """True, so that the SDK hands over the message with its `time_extracted`."""
        return True

    def _add_sdc_metadata_to_schema(self) -> None:
        """The schema stays the source's."""

    def _add_sdc_metadata_to_record(
        self, record: dict[str, Any], message: dict[str, Any], context: dict[str, Any]
    ) -> None:
        # Of the SDK's metadata only the observed time is wanted.
        record[EXTRACTED_AT] = message.get("time_extracted")

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """A missing key is a dead letter, not the end of the run."""

    def open(self) -> None:
        """Compile the stream's rules before its first record.

        In `setup` the SDK would log a line of its own over our error.
        """
        if not self.is_open:
            keys = list(self.key_properties)
            self.blocks.open_stream(self.stream_name, self.original_schema, keys)
            self.is_open = True

    def take(self, record: dict[str, Any], message: Mapping[str, Any]) -> None:
        """Collect the record of a message that goes past the SDK: what its way would leave here."""
        record[EXTRACTED_AT] = message.get("time_extracted")
        self.tally_record_read()
        self.process_record(record, self._get_context(record))
        self.record_counter_metric.increment()

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Collect a raw record."""
        if self.first_pending is None:
            self.first_pending = self.blocks.states.position
        super().process_record(record, context)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Drain the streams of the parents, then this block."""
        self.blocks.drain_parents(self.stream_name)
        self.blocks.run_block(self.stream_name, context.get("records", []))


def first_unsettled(sinks: Iterable[Any], unfinished: Callable[[str], bool]) -> int | None:
    """The position of the first record without an outcome; None if there is none."""
    first: int | None = None
    for sink in sinks:
        if sink.current_size == 0 and not unfinished(sink.stream_name):
            sink.first_pending = None
        if sink.first_pending is not None and (first is None or sink.first_pending < first):
            first = sink.first_pending
    return first


class UnmappedSink(RawSink):
    """A stream that no rule maps: its records count as received, and their STATE may go out."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Nothing to keep."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing to deliver."""
