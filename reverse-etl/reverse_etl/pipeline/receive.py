"""Stage 2, receive: a raw record → `SourceRecord` with its observed time, or a dead letter `invalid_record`.

The SDK's own validation ends the run at the first bad record, so it is switched off and this stage validates.
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
from reverse_etl.records import SourceRecord

LONGEST_KEY = 255
"""Characters of a primary key in the dead letters."""
EXTRACTED_AT = "_sdc_extracted_at"
"""Where the sink keeps a RECORD's `time_extracted`."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A record that is not valid, and why."""

    key: str
    raw: Mapping[str, Any]
    observed_us: int
    fault: RowError


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
        """A receiver with a compiled validator. Raises: FatalError for a schema that is none."""
        try:
            validate = fastjsonschema.compile(
                without_enums(schema), use_default=False, detailed_exceptions=True
            )
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise FatalError(
                f"The schema of stream {stream!r} is no JSON Schema: {error}.", "Mend the tap."
            ) from None
        return cls(stream, tuple(key_properties), validate)

    def receive(self, raw: Mapping[str, Any]) -> SourceRecord | Invalid:
        """A valid record, or why it is not."""
        values = {name: value for name, value in raw.items() if name != EXTRACTED_AT}
        observed_us = observed(raw.get(EXTRACTED_AT))
        fault = self.fault(values)
        if fault is not None:
            return Invalid(self.key(values), values, observed_us, fault)
        return SourceRecord(self.stream, self.key(values), values, observed_us)

    def fault(self, values: Mapping[str, Any]) -> RowError | None:
        """Why a record is not valid, naming the property and never its value."""
        if len("/".join(str(values.get(name)) for name in self.key_properties)) > LONGEST_KEY:
            return RowError(
                "invalid_record",
                f"the primary key has more than {LONGEST_KEY} characters",
                "shorten it at the source",
            )
        missing = [name for name in self.key_properties if values.get(name) in (None, "")]
        if missing:
            return RowError(
                "invalid_record",
                f"primary key {missing[0]} is empty",
                "mend the record at the source",
            )
        try:
            self.validate(values)
        except fastjsonschema.JsonSchemaValueException as error:
            place = ".".join(str(part) for part in error.path[1:]) or "the record"
            return RowError(
                "invalid_record",
                f"{place} breaks the rule {error.rule!r} of the schema",
                f"mend {place} at the source",
            )
        return None

    def key(self, values: Mapping[str, Any]) -> str:
        """The primary key; a hash of the whole record where it has none."""
        parts = [values.get(name) for name in self.key_properties]
        key = "/".join(str(part) for part in parts)
        if parts and all(part not in (None, "") for part in parts) and len(key) <= LONGEST_KEY:
            return key
        text = json.dumps(values, sort_keys=True, default=str).encode()
        return f"no-key-{hashlib.blake2b(text, digest_size=8).hexdigest()}"


def without_enums(schema: Any) -> Any:
    """The schema without its lists of values: whether a value is an option is the CRM field's to say, at stage 3."""
    if isinstance(schema, Mapping):
        return {
            name: without_enums(value)
            for name, value in schema.items()
            if name != "enum" or not isinstance(value, list)
        }
    return [without_enums(one) for one in schema] if isinstance(schema, list) else schema


def observed(given: object) -> int:
    """The observed time in microseconds; now, where the message has none."""
    try:
        return microseconds(parse_utc(given))
    except (ValueError, TypeError):
        return microseconds(datetime.now(UTC))
