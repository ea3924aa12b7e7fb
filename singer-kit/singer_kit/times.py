"""Timestamps: UTC in one notation inside, any ISO 8601 from outside."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

MICROSECOND_DIGITS = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
"""How far another machine's clock may be ahead. A time beyond that is wrong, not early."""


def parse_utc(value: object) -> datetime:
    """A timestamp, a date or ISO 8601 text as UTC; without an offset it is taken as UTC.

    Raises: ValueError, TypeError.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
    elif isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        raise TypeError("not a timestamp")
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a timestamp outside the years 1 to 9999") from None


def utc_text(moment: datetime, digits: int = MICROSECOND_DIGITS) -> str:
    """UTC with `Z` and this many digits of a second, cut off, not rounded.

    Texts with the same number of digits have the same width, so they also compare as text.
    """
    # not strftime, whose year has fewer than four digits before the year 1000
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = moment.isoformat(timespec="microseconds").removesuffix("+00:00")
    if digits == 0:
        return text[: -MICROSECOND_DIGITS - 1] + "Z"
    return text[: len(text) - MICROSECOND_DIGITS + digits] + "Z"


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def not_ahead(moment: datetime, now: datetime) -> datetime:
    """The moment, or now if it is further in the future than clocks differ."""
    return now if moment > now + CLOCK_SKEW else moment
