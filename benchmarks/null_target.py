"""A target that takes records and does nothing, written as the SDK's documentation teaches it."""

from __future__ import annotations

from typing import Any

from singer_sdk import Target
from singer_sdk.sinks import RecordSink


class NullSink(RecordSink):
    """Forgets every record."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Nothing to do."""


class NullTarget(Target):
    """A target without a destination."""

    name = "target-null"
    config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012  # the SDK's attribute
    default_sink_class = NullSink


if __name__ == "__main__":
    NullTarget.cli()
