"""Scrubbing: what a CRM says leaves the process without personal data and secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EMAIL = re.compile(r"[^\s\"'<>:,;=]+@[^\s\"'<>:,;=]+\.[A-Za-z]{2,}")
NUMBER = re.compile(r"\+?\d[\d\s().-]{6,}\d")
SHORTEST_VALUE = 3
"""Shorter values would take parts out of unrelated words."""
LONGEST_MESSAGE = 400


def scrub(message: str, record: Mapping[str, Any]) -> str:
    """A CRM's message without the record's values, e-mail addresses and long numbers."""
    values = {
        value
        for value in record.values()
        if isinstance(value, str) and len(value) >= SHORTEST_VALUE
    }
    # the longest first: a value may be part of another one
    for value in sorted(values, key=len, reverse=True):
        message = re.sub(re.escape(value), "<value>", message, flags=re.IGNORECASE)
    message = NUMBER.sub("<number>", EMAIL.sub("<e-mail>", message))
    return message[:LONGEST_MESSAGE]
