"""Functions about the platform's daily metrics, the records of the stream `analytics`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any


class LongText(str):
    """Text that needs more than 255 characters in the CRM."""

    __slots__ = ()


def metric_id(period_start: str | None, period_end: str | None) -> str | None:
    """`period_start/period_end`; None if one of them is missing."""
    return f"{period_start}/{period_end}" if period_start and period_end else None


def json_text(value: Mapping[str, Any] | Sequence[Any] | None) -> LongText | None:
    """A map or a list as compact JSON with sorted keys; null for null."""
    if value is None:
        return None
    return LongText(
        json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=plain)
    )


def plain(value: object) -> float | str:
    """A value that JSON cannot represent: a decimal number."""
    return float(value) if isinstance(value, Decimal) else str(value)


def deliverable_marker(deliverable_id: str | None) -> str | None:
    """`CanAI deliverable <id>`, the last line of a note, by which it is recognised."""
    return f"CanAI deliverable {deliverable_id}" if deliverable_id else None
