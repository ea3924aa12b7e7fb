"""Singer messages in a file, for commands: the schemas of streams, and their first records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.errors import FatalError
from reverse_etl.mapping.schemas import stream_properties

SAMPLES = 3
"""Records kept of each stream."""


@dataclass
class SampleMessages:
    """What a tap sent: as much of it as shows whether rules fit."""

    schemas: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The properties of each stream."""
    keys: dict[str, list[str]] = field(default_factory=dict)
    """The key properties of each stream."""
    records: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """The first records of each stream."""

    @classmethod
    def read(cls, lines: Iterable[str]) -> SampleMessages:
        """The messages of a file. Raises: FatalError for a line that is not a message."""
        messages = cls()
        for number, line in enumerate(lines, 1):
            if line.strip():
                messages.add(parsed(number, line))
        return messages

    def add(self, message: Mapping[str, Any]) -> None:
        """Keep a SCHEMA, or a record as long as few are kept."""
        stream = str(message.get("stream"))
        if message["type"] == "SCHEMA":
            self.schemas[stream] = stream_properties(message.get("schema") or {})
            self.keys[stream] = list(message.get("key_properties") or ())
        elif message["type"] == "RECORD":
            kept = self.records.setdefault(stream, [])
            if len(kept) < SAMPLES:
                kept.append(message.get("record") or {})


def parsed(number: int, line: str) -> Mapping[str, Any]:
    """A message. Raises: FatalError."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise FatalError(
            f"line {number} of the input is not a Singer message.",
            "Pass a file that a tap wrote: one JSON object a line.",
        )
    return message
