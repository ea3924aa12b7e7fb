"""Stage 2, receive: raw records → `SourceRecord`s with their observed times, or rejections.

The SDK's own validation ends the run at the first bad record, so it is switched off and this stage
validates instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import fastjsonschema
from singer_kit.times import microseconds, parse_utc

from reverse_etl.errors import FatalError, RowError
from reverse_etl.records import Outcome, Received, SourceRecord

LONGEST_KEY = 255
"""Characters of a primary key in the dead letters."""
EXTRACTED_AT = "_sdc_extracted_at"
"""Where the sink keeps the `time_extracted` of a RECORD."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Validates the records of one stream."""

    stream: str
    key_properties: tuple[str, ...]
    validate: Callable[[Any], Any]

    @classmethod
    def for_schema(
        cls, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> Receiver:
        """A receiver with a compiled validator. Raises: FatalError if the schema is not valid."""
        try:
            validate = fastjsonschema.compile(
                without_enums(schema), use_default=False, detailed_exceptions=True
            )
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise FatalError(
                f"The schema of stream {stream!r} is not a valid JSON Schema: {error}.",
                "Fix the tap.",
            ) from None
        return cls(stream, tuple(key_properties), validate)

    def receive(self, raw: Sequence[Mapping[str, Any]]) -> Received:
        """The valid records of a block, and the rejections of the others."""
        received = Received([], [])
        for record in raw:
            values = {name: value for name, value in record.items() if name != EXTRACTED_AT}
            observed_us = observed(record.get(EXTRACTED_AT))
            source = SourceRecord(self.stream, self.key(values), values, observed_us)
            error = self.error_of(values)
            if error is None:
                received.records.append(source)
            else:
                outcome = Outcome("rejected", source, error=error, stage="receive")
                received.rejected.append(outcome)
        return received

    def error_of(self, values: Mapping[str, Any]) -> RowError | None:
        """Why a record is not valid, naming the property and never its value."""
        key = [values.get(name) for name in self.key_properties]
        if len("/".join(map(str, key))) > LONGEST_KEY:
            return RowError(
                "invalid_record",
                f"the primary key has more than {LONGEST_KEY} characters",
                "shorten it at the source",
            )
        for name, part in zip(self.key_properties, key, strict=True):
            if part in (None, ""):
                return RowError(
                    "invalid_record", f"primary key {name} is empty", "fix the record at the source"
                )
        try:
            self.validate(values)
        except fastjsonschema.JsonSchemaValueException as error:
            place = ".".join(str(part) for part in error.path[1:]) or "the record"
            return RowError(
                "invalid_record",
                f"{place} violates the rule {error.rule!r} of the schema",
                f"fix {place} at the source",
            )
        return None

    def key(self, values: Mapping[str, Any]) -> str:
        """The primary key; a hash of the whole record if it has none."""
        parts = [values.get(name) for name in self.key_properties]
        key = "/".join(map(str, parts))
        if parts and all(part not in (None, "") for part in parts) and len(key) <= LONGEST_KEY:
            return key
        text = json.dumps(values, sort_keys=True, default=str).encode()
        return f"no-key-{hashlib.blake2b(text, digest_size=8).hexdigest()}"


def without_enums(schema: Any) -> Any:
    """The schema without its enums: the CRM's field decides at stage 3 what an option is."""
    if isinstance(schema, Mapping):
        return {
            name: without_enums(value)
            for name, value in schema.items()
            if name != "enum" or not isinstance(value, list)
        }
    return [without_enums(item) for item in schema] if isinstance(schema, list) else schema


def observed(time_extracted: object) -> int:
    """The observed time in microseconds; now, if the message has none."""
    try:
        return microseconds(parse_utc(time_extracted))
    except (ValueError, TypeError):
        return microseconds(datetime.now(UTC))
