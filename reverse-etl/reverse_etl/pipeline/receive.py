"""Stage 2, receive: raw records → `SourceRecord`s with their observed times, or rejections.

The SDK's own validation ends the run at the first bad record, so it is switched off and this stage
validates instead.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import fastjsonschema
from singer_kit.times import microseconds, not_ahead, parse_utc

from reverse_etl.errors import FatalError, RowError
from reverse_etl.ledger import DeadLetter
from reverse_etl.pipeline.validation import compile_validator
from reverse_etl.records import Outcome, Received, SourceRecord

logger = logging.getLogger(__name__)

LONGEST_KEY = 255
"""Characters of a primary key in the dead letters."""
NUL = "\0"
"""What neither a CRM's field nor PostgreSQL's text can hold."""
DELETED_AT = "_sdc_deleted_at"
"""When a row was deleted at the source, as taps that read a database's log say it."""
EXTRACTED_AT = "_sdc_extracted_at"
"""Where the sink keeps the `time_extracted` of a RECORD."""

UNREADABLE_IN = "_unreadable_in"
"""Where the reader keeps the properties whose text was not readable; "" stands for their names."""


@dataclass(slots=True)
class Clock:
    """Observed times, none of them in the future, which would outlive every later observation."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    reported: bool = False
    _last: tuple[object, int] = (None, 0)
    """The time that came last, which all records of an export share, and what it was read as."""

    def observed(self, time_extracted: object, stream: str) -> int:
        """The observed time in microseconds; now, if the message has none, or a future one."""
        known, observed_us = self._last
        if time_extracted is not None and time_extracted == known:
            return observed_us
        now = self.now()
        try:
            moment = parse_utc(time_extracted)
        except (ValueError, TypeError):
            return microseconds(now)
        observed = not_ahead(moment, now)
        if observed != moment and not self.reported:
            self.reported = True
            logger.warning(
                "a record of %s was observed in the future, at %s: such records count as observed "
                "now. Check the clock of the source",
                stream,
                moment.isoformat(),
            )
        if observed == moment:
            self._last = (time_extracted, microseconds(moment))
        return microseconds(observed)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Validates the records of one stream."""

    stream: str
    key_properties: tuple[str, ...]
    validate: Callable[[Any], Any]
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def for_schema(
        cls, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> Receiver:
        """A receiver with a compiled validator. Raises: FatalError if the schema is not valid."""
        try:
            validate = compile_validator(without_enums(schema))
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise FatalError(
                f"The schema of stream {stream!r} is not a valid JSON Schema: {error}.",
                "Fix the tap.",
            ) from None
        return cls(stream, tuple(key_properties), validate)

    def receive(self, raw: Sequence[Mapping[str, Any]]) -> Received:
        """The valid records of a block, and the outcomes of the others."""
        received = Received([], [])
        for record in raw:
            values = dict(record)
            observed_us = self.clock.observed(values.pop(EXTRACTED_AT, None), self.stream)
            halved = values.pop(UNREADABLE_IN, None)
            unreadable = self.unreadable(halved) if halved else None
            key = "" if unreadable else self.plain_key(values)
            source = SourceRecord(self.stream, key or no_key(values), values, observed_us)
            is_deleted = values.get(DELETED_AT) is not None
            error = unreadable or (None if key else self.key_error(values))
            # Of a deleted row some taps give no more than its key, which the schema may not allow.
            if error is None and not is_deleted:
                error = self.error_of(values)
            if error is not None:
                outcome = Outcome("rejected", source, error=error, stage="receive")
                received.ended.append(outcome)
            elif is_deleted:
                received.ended.append(Outcome("deleted_in_source", source))
            else:
                received.records.append(source)
        return received

    def unreadable(self, names: Sequence[str]) -> RowError | None:
        """Why a record is rejected with text that is not readable in these properties."""
        if not {"", *self.key_properties}.intersection(names):
            return None
        return RowError(
            "invalid_record",
            "the primary key, or the name of a property, holds half of a character",
            "fix the text at the source: U+FFFD stands for what was not readable",
        )

    def takes(self, letter: DeadLetter) -> bool:
        """Returns True if the record of a letter is valid by the schema that came last."""
        key = self.plain_key(letter.record)
        if (key or no_key(letter.record)) != letter.key:  # the text of its key was not readable
            return False
        return (bool(key) or not self.key_error(letter.record)) and not self.error_of(letter.record)

    def plain_key(self, values: Mapping[str, Any]) -> str:
        """The primary key; empty if the record has none that can be stored."""
        parts = [values.get(name) for name in self.key_properties]
        if None in parts or "" in parts:
            return ""
        key = "/".join(map(str, parts))
        return key if len(key) <= LONGEST_KEY and NUL not in key else ""

    def key_error(self, values: Mapping[str, Any]) -> RowError | None:
        """Why a record's primary key is not valid, if the stream has one."""
        key = [values.get(name) for name in self.key_properties]
        if len("/".join(map(str, key))) > LONGEST_KEY:
            return RowError(
                "invalid_record",
                f"the primary key has more than {LONGEST_KEY} characters",
                "shorten it at the source",
            )
        if any(NUL in str(part) for part in key):
            return RowError(
                "invalid_record",
                "the primary key holds a NUL character",
                "remove it at the source",
            )
        for name, part in zip(self.key_properties, key, strict=True):
            if part in (None, ""):
                return RowError(
                    "invalid_record", f"primary key {name} is empty", "fix the record at the source"
                )
        return None

    def error_of(self, values: Mapping[str, Any]) -> RowError | None:
        """Why a record violates the schema, naming the property and never its value."""
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


def no_key(values: Mapping[str, Any]) -> str:
    """What stands for the key of a record whose own cannot be stored: a hash of all of it."""
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
