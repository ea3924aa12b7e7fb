"""The word `parse`: text in a given format → a number, boolean, date or date-time.

A value that already has the kind passes. A value that does not parse is its row's error, which
names the field and the format, never the value.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from singer_kit.words import nearest

from reverse_etl.errors import RowError
from reverse_etl.mapping.rules import ParseRule
from reverse_etl.values import plain_text

NOT_PARSEABLE = "not_parseable"
YES = ("true", "yes", "y", "1")
NO = ("false", "no", "n", "0")
"""What `parse: boolean` reads."""
ISO = "ISO 8601"
SPACES = " \u00a0\u202f"
"""A space between groups of digits is often one that does not break the line."""
SAMPLES = (
    datetime(2026, 11, 29, 13, 45, 58, tzinfo=UTC),
    datetime(1987, 2, 3, 4, 5, 6, tzinfo=UTC),
)
"""Moments that a format must be able to write and read again."""

Parser = Callable[[object], object]
"""Parses a value. Raises: ValueError, TypeError, ArithmeticError."""


class BadFormatError(Exception):
    """A format of a rule that cannot be used; says why, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def field_parser(name: str, rule: ParseRule) -> Callable[[object], object]:
    """Parses the values of a field, whose name the errors give. Raises: BadFormatError."""
    parse = parser(rule)
    fault = RowError(
        NOT_PARSEABLE,
        f"{name} is not a {rule.kind} in the format {described(rule)}",
        f"correct the value at the source, or the format of {name} in the rule",
    )

    def parsed(value: object) -> object:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            return parse(value)
        except (ValueError, TypeError, ArithmeticError):
            raise RowError(fault.code, fault.message, fault.hint) from None

    return parsed


def parser(rule: ParseRule) -> Parser:
    """Parses values of one format. Raises: BadFormatError."""
    match rule.kind:
        case "number":
            return number_parser(rule.decimal, rule.group)
        case "boolean":
            return boolean_parser(rule.yes or YES, rule.no or NO)
        case "date":
            return date_parser(rule.format)
        case "datetime":
            return datetime_parser(rule.format, zone_named(rule.zone))


def described(rule: ParseRule) -> str:
    """The format as an error names it."""
    match rule.kind:
        case "number":
            return f"1{rule.group}234{rule.decimal}5"
        case "boolean":
            return "/".join([*(rule.yes or YES), *(rule.no or NO)])
        case _:
            return rule.format or ISO


def number_parser(decimal: str, group: str) -> Parser:
    """Numbers with this decimal sign, and optionally this sign between groups of digits."""
    if decimal == group:
        raise BadFormatError("the decimal sign and the group sign are the same.")
    signs = SPACES if group in SPACES and group else group
    # the last group has three digits, so that 1.5 with the group sign `.` is not read as 15
    grouped = rf"[0-9]{{1,3}}(?:[{re.escape(signs)}][0-9]{{2,3}})*[{re.escape(signs)}][0-9]{{3}}|"
    pattern = re.compile(
        rf"([+-]?(?:{grouped if group else ''}[0-9]*))"
        rf"(?:{re.escape(decimal)}([0-9]*))?([eE][+-]?[0-9]{{1,3}})?"
    )
    drop = str.maketrans("", "", signs)

    def parse(value: object) -> object:
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return value
        found = pattern.fullmatch(plain_text(value).strip())
        if found is None:
            raise ValueError
        whole, fraction, exponent = found.groups(default="")
        # Decimal refuses what has no digit at all
        return Decimal(f"{whole.translate(drop)}.{fraction}{exponent}")

    return parse


def boolean_parser(yes: tuple[str, ...], no: tuple[str, ...]) -> Parser:
    """True for any of `yes`, False for any of `no`, without regard to case.

    Raises: BadFormatError if a word is in both.
    """
    table = {word.strip().casefold(): True for word in yes}
    for word in no:
        if table.setdefault(word.strip().casefold(), False):
            raise BadFormatError(f"{word!r} means both yes and no.")

    def parse(value: object) -> object:
        if isinstance(value, bool):
            return value
        found = table.get(plain_text(value).strip().casefold())
        if found is None:
            raise ValueError
        return found

    return parse


def date_parser(format_: str) -> Parser:
    """Dates in a format of `strptime`, or YYYY-MM-DD without one. Raises: BadFormatError."""
    if format_:
        check_format(format_, "date")

    def parse(value: object) -> object:
        if isinstance(value, date):
            return value
        text = plain_text(value).strip()
        if format_:
            return datetime.strptime(text, format_).date()
        return date.fromisoformat(text)

    return parse


def datetime_parser(format_: str, zone: tzinfo) -> Parser:
    """Date-times in a format of `strptime`, or in ISO 8601 without one.

    `zone` is the time zone of what names none. Of a local time that occurs twice, when clocks are
    set back, the first is meant. Raises: BadFormatError.
    """
    if format_:
        check_format(format_, "datetime")

    def parse(value: object) -> object:
        if isinstance(value, datetime):
            moment = value
        else:
            text = plain_text(value).strip()
            moment = datetime.strptime(text, format_) if format_ else datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)

    return parse


def check_format(format_: str, kind: str) -> None:
    """Raises: BadFormatError if a format does not hold a whole date."""
    for sample in SAMPLES:
        try:
            with warnings.catch_warnings(action="ignore"):  # Python 3.13 warns of a missing year
                read = datetime.strptime(sample.strftime(format_), format_)
        except ValueError as error:
            raise BadFormatError(
                f"{format_!r} is not a format that can be read ({error}).",
                "Use the directives of Python's strptime, such as %d.%m.%Y.",
            ) from None
        if read.date() != sample.date():
            raise BadFormatError(
                f"the {kind} format {format_!r} lacks the day, the month or the year.",
                "Name all three, as in %d.%m.%Y.",
            )


def zone_named(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises: BadFormatError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = nearest(name, available_timezones()) or "Use an IANA name, such as Europe/Berlin."
        raise BadFormatError(f"unknown time zone {name!r}.", hint) from None


def parse_rule(word: str | Mapping[str, Any]) -> ParseRule:
    """The rule that the word `parse` states, in its short or its long form.

    Raises: BadFormatError.
    """
    words: Mapping[str, Any] = {word: {}} if isinstance(word, str) else word
    kinds = [name for name in words if name != "zone"]
    if len(kinds) != 1:
        raise BadFormatError("parse needs exactly one of number, boolean, date and datetime.")
    kind: Any = kinds[0]
    if "zone" in words and kind != "datetime":
        raise BadFormatError("only a datetime has a zone.")
    format_ = words[kind]
    if isinstance(format_, str):
        return ParseRule(kind, format=format_, zone=words.get("zone", "UTC"))
    return ParseRule(
        kind,
        decimal=format_.get("decimal", "."),
        group=format_.get("group", ""),
        yes=tuple(plain_text(entry) for entry in format_.get("yes", ())),
        no=tuple(plain_text(entry) for entry in format_.get("no", ())),
    )
