"""Small conversions that the functions share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
STAGE = re.compile(r"F([1-9])")


def number(value: object) -> Decimal:
    """A number; null as 0."""
    return Decimal(0) if value is None else Decimal(str(value))


def half_up(value: Decimal, step: Decimal = CENT) -> Decimal:
    """Rounded half up to this step."""
    return value.quantize(step, rounding=ROUND_HALF_UP)


def stage_number(stage: str | None) -> int:
    """7 for `F7`; 0 for null and for anything but F1 to F9."""
    match = STAGE.fullmatch(stage or "")
    return int(match.group(1)) if match else 0


def moment(value: str | datetime) -> datetime:
    """A timestamp as UTC; one without an offset is taken as UTC."""
    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def present(text: str | None) -> str | None:
    """Text without white space around it; None if nothing is left."""
    return (text or "").strip() or None


def local_part(email: str | None) -> str | None:
    """The part of an e-mail address before the @."""
    return present(email.split("@")[0]) if email else None
