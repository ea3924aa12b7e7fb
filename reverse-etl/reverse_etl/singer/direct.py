"""RECORDs that need nothing of the SDK: of mapped streams that no stream map changes.

For each record the SDK makes a copy, looks up stream maps and sink, and calls nine hooks, of which
ours do nothing. Records of these streams go from the reader into their sink instead. All other
records and messages go the SDK's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from singer_sdk import Sink
from singer_sdk.mapper import PluginMapper, SameRecordTransform

from reverse_etl.singer.sink import CrmSink


@dataclass(slots=True)
class DirectRecords:
    """The sinks that take records as they come."""

    _sinks: dict[str, CrmSink] = field(default_factory=dict)
    """By stream."""

    def learn(self, mapper: PluginMapper, sinks: Mapping[str, Sink]) -> None:
        """Find these sinks again: a SCHEMA may have changed sinks and stream maps."""
        self._sinks = {}
        for stream, maps in mapper.stream_maps.items():
            first = maps[0]
            sink = sinks.get(stream)
            changes = type(first) is not SameRecordTransform or first.flattening_enabled
            if len(maps) == 1 and not changes and isinstance(sink, CrmSink):
                self._sinks[stream] = sink

    def take(self, message: Mapping[str, Any]) -> CrmSink | None:
        """Put a record into its sink; None if it has to go the SDK's way."""
        stream, record = message.get("stream"), message.get("record")
        if not isinstance(stream, str) or not isinstance(record, dict):
            return None
        sink = self._sinks.get(stream)
        if sink is not None:
            sink.take(record, message)
        return sink
