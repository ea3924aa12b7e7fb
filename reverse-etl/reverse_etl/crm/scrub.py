"""Scrubbing: no personal datum and no secret leaves in a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EMAIL = re.compile(r"[^\s\"'<>:,;=]+@[^\s\"'<>:,;=]+\.[A-Za-z]{2,}")
NUMBER = re.compile(r"\+?\d[\d\s().-]{6,}\d")
SHORTEST_VALUE = 3
LONGEST_MESSAGE = 400


def scrub(message: str, record: Mapping[str, Any]) -> str:
    """A vendor's message without the record's values, e-mail addresses and long numbers."""
    values = sorted(
        {
            str(value)
            for value in record.values()
            if isinstance(value, str) and len(value) >= SHORTEST_VALUE
        },
        key=len,
        reverse=True,
    )
    for value in values:
        message = re.sub(re.escape(value), "<value>", message, flags=re.IGNORECASE)
    message = NUMBER.sub("<number>", EMAIL.sub("<e-mail>", message))
    return message[:LONGEST_MESSAGE]
