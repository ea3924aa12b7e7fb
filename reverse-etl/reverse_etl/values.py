"""Values in one form, so that what was sent and what a CRM returns can be compared and hashed.

A canonical value is None, str, int, bool, Decimal (shortest form), or a tuple of str. Dates are
`YYYY-MM-DD`; date-times are UTC with `Z` and as many digits of a second as the CRM field keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from singer_kit.times import MICROSECOND_DIGITS, parse_utc, utc_text

from reverse_etl.errors import NotRepresentableError

Kind = Literal["text", "integer", "number", "boolean", "date", "datetime", "choice", "choices"]
Value = str | int | bool | Decimal | tuple[str, ...] | None
SEPARATOR = ";"
"""Between the values of a list that is sent as text, as CRMs write them."""
UNKNOWN_OPTION = "unknown_option"
"""The code of a value that is not an option of its field."""
DATE_LENGTH = len("2026-01-31")
LARGEST_EXPONENT = 308
"""Of a double. Text such as 1e999999 would become an integer that Python refuses to print."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field of a CRM object."""

    name: str
    kind: Kind
    writable: bool = True
    max_length: int | None = None
    options: tuple[str, ...] = ()
    """Values of a choice in the CRM's own order."""
    strict_options: bool = False
    """True if the CRM refuses a value that is not an option."""
    scale: int | None = None
    """Digits after the point that the CRM keeps: of a number, or of a date-time's second."""
    digits: int | None = None
    """Digits before the point that a number may have."""
    unique: bool = False
    """True if a value identifies one record, which it finds."""
    exclusive: bool = False
    """True if the CRM refuses a value that another record holds, without finding it by that."""
    folds_case: bool = False
    """True if the CRM compares this field without case."""
    trims: bool = False
    """True if the CRM drops white space around text."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of options, in lower case: the labels that people see, for example."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """Options of a new account that people removed; each with what to write instead, if any."""
    wire_name: str = ""
    """The name on the wire, if it is not `name`."""
    refers: tuple[str, ...] = ()
    """The objects whose ids the field holds, if it is a lookup."""
    create_only: bool = False
    """True if the CRM takes the field only when the record is created."""
    required: bool = False
    """True if the CRM takes no new record without it."""
    label: str = field(default="", compare=False)
    """What people call it in the CRM."""

    @property
    def no_two_hold(self) -> bool:
        """True if no two records may hold the same value."""
        return self.unique or self.exclusive


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
            return _date(info, value)
        case "datetime":
            digits = MICROSECOND_DIGITS if info.scale is None else info.scale
            return utc_text(_moment(info, value), digits)
        case "choices":
            return _choices(info, value)
        case "choice":
            return _choice(info, value)
        case "text":
            return _text(info, value)


def _text(info: FieldInfo, value: object) -> str | None:
    """Text; a list becomes its entries, joined."""
    if isinstance(value, (list, tuple)):
        try:
            value = joined_text(value)
        except TypeError:
            pass  # what is not plain text is refused below
        except ValueError:
            hint = f"correct {info.name} at the source"
            raise _wrong_type(info, "smaller numbers", hint) from None
    text = _as_text(info, value)
    if text is not None:
        _check_length(info, text)
    return text or None


def _choice(info: FieldInfo, value: object) -> str | None:
    text = _as_text(info, value)
    return None if text is None else _option(info, text)


def _choices(info: FieldInfo, value: object) -> tuple[str, ...] | None:
    """The distinct options in the field's own order, so that the source's order says nothing."""
    options: dict[str, None] = {}
    for entry in value if isinstance(value, (list, tuple)) else (value,):
        text = None if entry is None else _as_text(info, entry)
        if not text:
            continue
        if SEPARATOR in text:
            raise NotRepresentableError(
                UNKNOWN_OPTION,
                f"a value for {info.name} contains a semicolon, which separates values",
                f"map the value onto an option of {info.name}, or make {info.name} a text field",
            )
        options[_option(info, text)] = None
    return in_order(info, options) or None


def in_order(info: FieldInfo, options: Collection[str]) -> tuple[str, ...]:
    """Options in the order of the field, then what it does not know, by the alphabet."""
    if len(options) == 1:
        return tuple(options)
    positions = {option: position for position, option in enumerate(info.options)}
    last = len(positions)
    return tuple(sorted(options, key=lambda option: (positions.get(option, last), option)))


def unknown_options(info: FieldInfo, value: object) -> list[str]:
    """Values that a choice or multi-select field could hold if they were options of it."""
    entries = value if isinstance(value, (list, tuple)) else (value,)
    unknown: dict[str, None] = {}
    for entry in entries:
        if entry is None or isinstance(entry, (list, tuple, Mapping)):
            continue
        text = _as_text(info, entry)
        if not text or (info.kind == "choices" and SEPARATOR in text):
            continue
        too_long = info.max_length is not None and len(text) > info.max_length
        if text not in info.options and text.casefold() not in info.aliases and not too_long:
            unknown[text] = None
    return list(unknown)


def _option(info: FieldInfo, text: str) -> str:
    """The option that a text means, by its value or its label. Raises: NotRepresentableError."""
    if text in info.options:
        return text
    option = info.aliases.get(text.casefold(), text)
    _check_length(info, option)
    if info.strict_options and option not in info.options:
        raise NotRepresentableError(
            UNKNOWN_OPTION,
            f"{info.name} has no such option",
            f"add the option to {info.name} in the CRM, map the value in the rule, "
            "or turn `add_options` on",
        )
    return option


def _check_length(info: FieldInfo, text: str) -> None:
    if info.max_length is not None and len(text) > info.max_length:
        raise NotRepresentableError(
            "too_long",
            f"{info.name} holds at most {info.max_length} characters",
            f"shorten {info.name} at the source, widen the CRM field, "
            "or set max_length in the rule",
        )


def _as_text(info: FieldInfo, value: object) -> str | None:
    if isinstance(value, (list, dict, tuple)):
        raise NotRepresentableError(
            "wrong_type",
            f"{info.name} takes text, not a list or an object",
            f"map {info.name} with a function",
        )
    try:
        text = plain_text(value)
    except ValueError:
        raise _wrong_type(info, "a smaller number", f"correct {info.name} at the source") from None
    return (text.strip() or None) if info.trims else text


def joined_text(entries: Iterable[object]) -> str:
    """A list as text: its entries with a semicolon between them; nulls are left out.

    Raises: TypeError for a list of lists or objects.
    """
    return SEPARATOR.join(plain_text(entry) for entry in entries if entry not in (None, ""))


def plain_text(value: object) -> str:
    """A value as text: numbers without an exponent, date-times in UTC.

    Raises: TypeError for a list or an object, ValueError for a number with too many digits.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, (Decimal, float)):
        return plain_number(value)
    if isinstance(value, (list, tuple, Mapping)):
        raise TypeError("a list or an object has no plain text")
    return str(value)


def _number(info: FieldInfo, value: object) -> Decimal | int:
    number = _decimal(info, value)
    if info.kind == "integer" and number != number.to_integral_value():
        raise _wrong_type(info, "a whole number", f"round {info.name} in the rule")
    if info.scale is not None:
        try:
            number = number.quantize(Decimal(1).scaleb(-info.scale), rounding=ROUND_HALF_UP)
        except InvalidOperation:  # more digits than the decimal context has
            raise _wrong_type(info, "a smaller number", f"scale {info.name} in the rule") from None
    _check_digits(info, number)
    return int(number) if number == number.to_integral_value() else number.normalize()


def _check_digits(info: FieldInfo, number: Decimal) -> None:
    if info.digits is not None and number and number.adjusted() >= info.digits:
        raise NotRepresentableError(
            "too_large",
            f"{info.name} holds at most {info.digits} digits before the point",
            f"correct {info.name} at the source, or widen the CRM field",
        )


def _decimal(info: FieldInfo, value: object) -> Decimal:
    number = None
    if not isinstance(value, (bool, list, dict, tuple)):
        with suppress(InvalidOperation):
            # from its text: the float 0.1 is 0.1000000000000000055… as a Decimal
            number = value if isinstance(value, Decimal) else Decimal(str(value))
    if number is None or not is_writable(number):
        raise _wrong_type(info, "a number", f"map a number onto {info.name}")
    return number


def _boolean(info: FieldInfo, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise _wrong_type(info, "true or false", f"map a boolean onto {info.name}")


def _date(info: FieldInfo, value: object) -> str:
    """The day itself, or the UTC day of a timestamp."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str) or len(value) != DATE_LENGTH:
        return _moment(info, value).date().isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise _wrong_type(info, "a date", f"map a date onto {info.name}") from None


def _moment(info: FieldInfo, value: object) -> datetime:
    try:
        return parse_utc(value)
    except (ValueError, TypeError):
        hint = f"map a timestamp onto {info.name}"
        raise _wrong_type(info, "a date and time", hint) from None


def _wrong_type(info: FieldInfo, takes: str, hint: str) -> NotRepresentableError:
    return NotRepresentableError("wrong_type", f"{info.name} takes {takes}", hint)


def is_writable(number: Decimal) -> bool:
    """Returns True if a number can be written out: 1e99999999 has as many digits."""
    return number.is_finite() and abs(number.adjusted()) <= LARGEST_EXPONENT


def plain_number(value: Decimal | float | int) -> str:
    """A number without an exponent, in its shortest form. Raises: ValueError if it is too long."""
    number = Decimal(str(value))
    if not is_writable(number):
        raise ValueError("a number with too many digits")
    if number == number.to_integral_value():
        return str(int(number))
    return format(number.normalize(), "f")


def same(info: FieldInfo, left: Value, right: Value) -> bool:
    """Returns True if the CRM would hold the same for both."""
    if info.folds_case and isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left == right


def key_of(info: FieldInfo, value: Value) -> str:
    """A canonical value as a key: the same text for all values that the CRM takes for one."""
    text = str(value)
    return text.casefold() if info.folds_case else text
