"""Values in one form, so that what was sent and what a CRM gives back can be compared and hashed.

A canonical value is None, str, int, bool, Decimal (shortest form), or a tuple of str. Dates are `YYYY-MM-DD`,
date-times UTC with `Z` and as many digits of a second as the CRM field keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from reverse_etl.errors import NotRepresentableError

Kind = Literal["text", "integer", "number", "boolean", "date", "datetime", "choice", "choices"]
Value = str | int | bool | Decimal | tuple[str, ...] | None
HASH_BYTES = 8
MICROSECOND_DIGITS = 6


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field as the CRM has it."""

    name: str
    kind: Kind
    writable: bool = True
    max_length: int | None = None
    options: tuple[str, ...] = ()
    """Values of a choice in the CRM's own order."""
    strict_options: bool = False
    """Whether the CRM refuses a value that is not an option."""
    scale: int | None = None
    """Digits after the point that the CRM keeps: of a number, or of a date-time's second."""
    unique: bool = False
    folds_case: bool = False
    """Whether the CRM compares this field without case."""
    trims: bool = False
    """Whether the CRM drops white space around text."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of options, in lower case: the labels that people see, say."""
    wire_name: str = ""
    """The name on the wire where it is not `name`."""


def canonical(info: FieldInfo, value: object) -> Value:
    """A value in the form in which this field is compared. Raises: NotRepresentableError."""
    if value is None or value == "":
        return None
    match info.kind:
        case "number" | "integer":
            return _number(info, value)
        case "boolean":
            return _boolean(info, value)
        case "date":
            return (
                _moment(info, value).date().isoformat()
                if not _is_plain_date(value)
                else _plain_date(info, value)
            )
        case "datetime":
            return utc_text(
                _moment(info, value), MICROSECOND_DIGITS if info.scale is None else info.scale
            )
        case "choices":
            return (
                tuple(str(one) for one in value)
                if isinstance(value, (list, tuple))
                else (str(value),)
            )
    return _text(info, value)


def _text(info: FieldInfo, value: object) -> str | None:
    if isinstance(value, (list, dict, tuple)):
        raise NotRepresentableError(
            "wrong_type",
            f"{info.name} takes text, not a list or an object",
            f"map {info.name} with a function",
        )
    text = (
        utc_text(value)
        if isinstance(value, datetime)
        else plain_number(value)
        if isinstance(value, (Decimal, float))
        else str(value)
    )
    if isinstance(value, bool):
        text = "true" if value else "false"
    if info.trims:
        text = text.strip()
        if not text:
            return None
    if info.kind == "choice" and text not in info.options:
        text = info.aliases.get(text.casefold(), text)
    if info.max_length is not None and len(text) > info.max_length:
        hint = (
            f"shorten {info.name} at the source, widen the CRM field, or set max_length in the rule"
        )
        raise NotRepresentableError(
            "too_long", f"{info.name} holds at most {info.max_length} characters", hint
        )
    if info.strict_options and info.kind == "choice" and text not in info.options:
        hint = f"add the option to {info.name} in the CRM, or map the value in the rule"
        raise NotRepresentableError("unknown_option", f"{info.name} has no such option", hint)
    return text


def _number(info: FieldInfo, value: object) -> Decimal | int:
    try:
        if isinstance(value, (bool, list, dict, tuple)):
            raise InvalidOperation
        number = Decimal(str(value))
        if not number.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise NotRepresentableError(
            "wrong_type", f"{info.name} takes a number", f"map a number onto {info.name}"
        ) from None
    if info.kind == "integer" and number != number.to_integral_value():
        raise NotRepresentableError(
            "wrong_type", f"{info.name} takes a whole number", f"round {info.name} in the rule"
        )
    if info.scale is not None:
        number = number.quantize(Decimal(1).scaleb(-info.scale), rounding=ROUND_HALF_UP)
    return int(number) if number == number.to_integral_value() else number.normalize()


def _boolean(info: FieldInfo, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise NotRepresentableError(
        "wrong_type", f"{info.name} takes true or false", f"map a boolean onto {info.name}"
    )


def _is_plain_date(value: object) -> bool:
    return (isinstance(value, date) and not isinstance(value, datetime)) or (
        isinstance(value, str) and len(value) == len("2026-01-31")
    )


def _plain_date(info: FieldInfo, value: object) -> str:
    try:
        return (
            value.isoformat()
            if isinstance(value, date)
            else date.fromisoformat(str(value)).isoformat()
        )
    except ValueError:
        raise NotRepresentableError(
            "wrong_type", f"{info.name} takes a date", f"map a date onto {info.name}"
        ) from None


def _moment(info: FieldInfo, value: object) -> datetime:
    try:
        return parse_utc(value)
    except (ValueError, TypeError):
        raise NotRepresentableError(
            "wrong_type", f"{info.name} takes a date and time", f"map a timestamp onto {info.name}"
        ) from None


def parse_utc(value: object) -> datetime:
    """A timestamp as UTC; one without an offset is taken as UTC. Raises: ValueError, TypeError."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        moment = datetime.fromisoformat(value)
    else:
        raise TypeError("no timestamp")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_text(moment: datetime, digits: int = MICROSECOND_DIGITS) -> str:
    """A UTC timestamp with `Z` and this many digits of a second, cut, not rounded."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return (text[: len(text) - MICROSECOND_DIGITS + digits] if digits else text[:-7]) + "Z"


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, as the ledger keeps observed times."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def plain_number(value: Decimal | float | int) -> str:
    """A number without an exponent, in shortest form."""
    number = Decimal(str(value))
    return (
        str(int(number))
        if number == number.to_integral_value()
        else format(number.normalize(), "f")
    )


def same(info: FieldInfo, left: Value, right: Value) -> bool:
    """Whether the CRM would hold the same for both."""
    if info.folds_case and isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left == right


def hash_value(value: Value) -> bytes:
    """Eight bytes that stand for a canonical value; the value cannot be read back from them."""
    return hashlib.blake2b(_tagged(value), digest_size=HASH_BYTES).digest()


def hash_values(parts: Sequence[tuple[str, Value]]) -> bytes:
    """One fingerprint of named values."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for name, value in parts:
        tagged = _tagged(value)
        digest.update(f"{name}\x00{len(tagged)}\x00".encode())
        digest.update(tagged)
    return digest.digest()


def _tagged(value: Value) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, (int, Decimal)):
        return b"d" + plain_number(Decimal(value)).encode()
    if isinstance(value, tuple):
        return b"l" + "\x1f".join(value).encode()
    return b"s" + value.encode("utf-8", "surrogatepass")
