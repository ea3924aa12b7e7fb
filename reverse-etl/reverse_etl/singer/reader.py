"""Reading Singer messages: fast, and without ever quoting a line in an error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, cast

import msgspec
from singer_sdk.singerlib import SingerMessageType
from singer_sdk.singerlib.encoding import GenericSingerReader

from reverse_etl.errors import FatalError
from reverse_etl.singer.odd_json import decoded, is_odd

logger = logging.getLogger(__name__)

DECODER = msgspec.json.Decoder(float_hook=Decimal)
OBJECTS = ("record", "schema", "properties")
"""Parts of messages that are JSON objects."""


class MessageReader(GenericSingerReader[str]):
    """Singer messages as JSON lines."""

    default_input: IO[str] = sys.stdin
    _said = False

    def process_lines(
        self, file_input: IO[str] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Any:
        """Process all messages; a blank line is not one. Raises: FatalError."""
        records = Records(callbacks[SingerMessageType.RECORD], self.message_in)
        others = records.taken_out_of(file_input or self.default_input)
        # the SDK only iterates over its input
        processed = super().process_lines(cast(IO[str], others), callbacks)
        processed[SingerMessageType.RECORD.value] += records.number
        return processed

    def deserialize_json(self, line: str) -> dict[str, Any]:
        """One message. Raises: FatalError, which quotes nothing of the line."""
        return self.message_in(line)

    def message_in(self, line: str) -> dict[str, Any]:
        """The message in a line. Raises: FatalError, which quotes nothing of the line."""
        try:
            message = self._message(line)
        except RecursionError:
            raise FatalError("A line of the input is nested too deep.", "Check the tap.") from None
        except (ValueError, ArithmeticError):
            cut = "" if line.endswith("\n") else " It has no end, so the tap was probably cut off."
            raise FatalError(
                f"A line of {len(line)} characters is not valid JSON.{cut}",
                "Look at the tap's own log, then run again.",
            ) from None
        if not isinstance(message, dict) or isinstance(message.get("type"), (dict, list)):
            raise FatalError("A line of the input is not a Singer message.", "Check the tap.")
        return message

    def _message(self, line: str) -> Any:
        """What a line says. Raises: ValueError, ArithmeticError, RecursionError."""
        try:
            return DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeError):  # the latter: invalid UTF-8
            if not is_odd(line):
                raise
            message = decoded(line)
        if not self._said:
            self._said = True
            logger.warning(
                "the input holds what JSON does not have: halves of surrogate pairs, such as "
                "\\ud800, are U+FFFD in the records; NaN and Infinity are text"
            )
        return message

    @staticmethod
    def assert_line_requires(line_dict: Mapping[str, Any], requires: set[str]) -> None:
        """Raises: FatalError that names the keys a message lacks."""
        missing = sorted(name for name in requires if is_missing(line_dict, name))
        if missing:
            kind = line_dict.get("type") or "message"
            raise FatalError(f"A {kind} lacks {', '.join(missing)}.", "Check the tap.")

    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        raise FatalError(
            "A line of the input is a message of a type that Singer does not have.",
            "Check the tap.",
        )


@dataclass(slots=True)
class Records:
    """Nearly all lines are RECORDs, which need no more than to be handed on."""

    hand_on: Callable[[dict[str, Any]], None]
    read: Callable[[str], dict[str, Any]]
    """Gives the message in a line. Raises: FatalError."""
    number: int = 0

    def taken_out_of(self, lines: Iterable[str]) -> Iterator[str]:
        """Hand on every RECORD in its place among the other lines, which the SDK reads.

        Raises: FatalError.
        """
        for line in lines:
            if line.isspace():
                continue
            message = self.read(line)
            if message.get("type") == "RECORD":
                self.hand_on(message)
                self.number += 1
            else:
                yield line


def is_missing(line: Mapping[str, Any], name: str) -> bool:
    """Returns True if a message lacks this; it also lacks a record that is not an object."""
    if name in OBJECTS:
        return not isinstance(line.get(name), Mapping)
    return name not in line
