"""The SDK's sink, reduced to collecting raw records: validation and type conversion are stage 2's.

This module owns the SDK's protected hooks; `tests/singer/test_sdk_hooks.py` fails if the SDK changes under them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import BatchSink

from reverse_etl.pipeline.receive import EXTRACTED_AT

if TYPE_CHECKING:
    from reverse_etl.singer.target import CrmTarget


class CrmSink(BatchSink):
    """Blocks of one mapped stream."""

    MAX_SIZE_DEFAULT = 10_000
    target: CrmTarget

    def __init__(
        self, target: Any, stream_name: str, schema: dict[str, Any], key_properties: Any
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.target = target
        self.is_open = False
        self.first_pending: int | None = None
        """Position, among all records of the run, of the first one that is not settled; the target clears it."""

    @property
    def include_sdc_metadata_properties(self) -> bool:
        """True, so that the SDK hands over the message with `time_extracted`."""
        return True

    def _add_sdc_metadata_to_schema(self) -> None:
        """The schema stays the source's."""

    def _add_sdc_metadata_to_record(
        self, record: dict[str, Any], message: dict[str, Any], context: dict[str, Any]
    ) -> None:
        """Only the observed time goes with a record."""
        record[EXTRACTED_AT] = message.get("time_extracted")

    def get_validator(self) -> None:
        """None: the SDK's validation ends the run at the first bad record."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        return record

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """A missing key is a dead letter, not the end of the run."""

    def open(self) -> None:
        """Compile the stream's rules before its first record; in `setup` the SDK would log a line of its own over ours."""
        if not self.is_open:
            self.target.open_stream(
                self.stream_name, self.original_schema, list(self.key_properties)
            )
            self.is_open = True

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Collect a raw record."""
        if self.first_pending is None:
            self.first_pending = self.target.position
        super().process_record(record, context)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Drain the parents' streams, then this block."""
        records: list[Mapping[str, Any]] = context.get("records", [])
        self.target.drain_parents(self)
        self.target.run_block(self.stream_name, records)


class UnmappedSink(BatchSink):
    """A stream that no rule maps: its records count as received, and their STATE is free to go."""

    def __init__(
        self, target: Any, stream_name: str, schema: dict[str, Any], key_properties: Any
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.first_pending = None

    def get_validator(self) -> None:
        """None: what is not delivered is not judged."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        return record

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Nothing to keep."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Nothing to deliver."""
